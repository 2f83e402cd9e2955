package undo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/concord-tx/concord/tc/seata"
)

// Decode reads a log that Java or Encode wrote, from the columns context and rollback_info. What it cannot read is
// ErrUnreadable, what is above Options.BytesMax when decompressed ErrTooLarge. The content of a row that only stands
// in the way of a late phase one, "{}", is an empty log. Values are as Java wrote them; Rollback fits them to their
// columns.
func Decode(context string, info []byte, o Options) (*Log, error) {
	o = o.filled()
	kind, zone, err := readContext(context, o)
	if err != nil {
		return nil, err
	}
	text := info
	if kind != seata.CompressorNone {
		if text, err = (*seata.Compressors)(nil).Decompress(kind, info, o.BytesMax); err != nil {
			if errors.Is(err, seata.ErrBodyTooLarge) {
				return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, o.BytesMax)
			}
			return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
	}
	if len(text) > o.BytesMax {
		return nil, fmt.Errorf("%w: %d bytes, %d are allowed", ErrTooLarge, len(text), o.BytesMax)
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: text that is not UTF-8", ErrUnreadable)
	}
	r := reader{zone: zone}
	l, err := r.log(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return l, nil
}

// The objects of the log. Lists come with the name of their class, values as they are.
type (
	logObject struct {
		Class      string          `json:"@class"`
		XID        string          `json:"xid"`
		BranchID   int64           `json:"branchId"`
		Statements json.RawMessage `json:"sqlUndoLogs"`
	}
	statementObject struct {
		Class  string        `json:"@class"`
		Type   string        `json:"sqlType"`
		Table  string        `json:"tableName"`
		Before recordsObject `json:"beforeImage"`
		After  recordsObject `json:"afterImage"`
	}
	recordsObject struct {
		Class string          `json:"@class"`
		Table string          `json:"tableName"`
		Rows  json.RawMessage `json:"rows"`
	}
	rowObject struct {
		Class  string          `json:"@class"`
		Fields json.RawMessage `json:"fields"`
	}
	fieldObject struct {
		Class string          `json:"@class"`
		Name  string          `json:"name"`
		Key   string          `json:"keyType"`
		Type  int             `json:"type"`
		Value json.RawMessage `json:"value"`
	}
)

func (r *reader) log(text []byte) (*Log, error) {
	if trimmed := bytes.TrimSpace(text); bytes.Equal(trimmed, []byte("{}")) {
		return &Log{}, nil
	}
	var o logObject
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, err
	}
	if err := isClass(o.Class, ".rm.datasource.undo.BranchUndoLog"); err != nil {
		return nil, err
	}
	statements, err := objects[statementObject](o.Statements)
	if err != nil {
		return nil, fmt.Errorf("statements: %w", err)
	}
	l := &Log{XID: o.XID, BranchID: o.BranchID}
	for i := range statements {
		s := &statements[i]
		if err := isClass(s.Class, ".rm.datasource.undo.SQLUndoLog"); err != nil {
			return nil, err
		}
		out := Statement{Type: SQLType(s.Type), Table: s.Table}
		if out.Before, err = r.records(&s.Before); err == nil {
			out.After, err = r.records(&s.After)
		}
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i, err)
		}
		l.Statements = append(l.Statements, out)
	}
	return l, nil
}

func (r *reader) records(o *recordsObject) (Records, error) {
	out := Records{Table: o.Table}
	if o.Class == "" { // null: no image at all
		return out, nil
	}
	const class = ".rm.datasource.sql.struct.TableRecords"
	if err := isClass(strings.TrimSuffix(o.Class, "$EmptyTableRecords"), class); err != nil {
		return out, err
	}
	rows, err := objects[rowObject](o.Rows)
	if err != nil {
		return out, fmt.Errorf("rows: %w", err)
	}
	for i := range rows {
		if err := isClass(rows[i].Class, ".rm.datasource.sql.struct.Row"); err != nil {
			return out, err
		}
		fields, err := objects[fieldObject](rows[i].Fields)
		if err != nil {
			return out, fmt.Errorf("row %d: %w", i, err)
		}
		row := Row{Fields: make([]Field, len(fields))}
		for j := range fields {
			if row.Fields[j], err = r.field(&fields[j]); err != nil {
				return out, fmt.Errorf("row %d, column %.64q: %w", i, fields[j].Name, err)
			}
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

func (r *reader) field(o *fieldObject) (Field, error) {
	f := Field{Name: o.Name, Type: o.Type}
	if err := isClass(o.Class, ".rm.datasource.sql.struct.Field"); err != nil {
		return f, err
	}
	switch o.Key {
	case "PRIMARY_KEY":
		f.Key = true
	case "NULL", "":
	default:
		return f, fmt.Errorf("key type %.40q", o.Key)
	}
	if o.Name == "" {
		return f, errors.New("a field without a name")
	}
	var err error
	f.Value, err = r.value(o.Value)
	return f, err
}

// isClass tells whether a class is the one of Seata, in either package.
func isClass(class, want string) error {
	if class == PrefixApache+want || class == PrefixOld+want {
		return nil
	}
	return fmt.Errorf("class %.100q instead of %s", class, want[strings.LastIndexByte(want, '.')+1:])
}

// objects reads a list with its class. Nothing and null are no objects; the class may be any list of Java.
func objects[T any](raw json.RawMessage) ([]T, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	class, body, err := tagged(raw)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(class, "java.util.") {
		return nil, fmt.Errorf("class %.100q instead of a list", class)
	}
	var out []T
	return out, json.Unmarshal(body, &out)
}

// tagged takes a pair of class and value apart.
func tagged(raw json.RawMessage) (class string, value json.RawMessage, err error) {
	var pair []json.RawMessage
	if err := json.Unmarshal(raw, &pair); err != nil {
		return "", nil, err
	}
	if len(pair) != 2 {
		return "", nil, fmt.Errorf("a list of %d where class and value belong", len(pair))
	}
	return class, pair[1], json.Unmarshal(pair[0], &class)
}
