package undo_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/at/undo"
)

// golden is one undo log that Seata's own parser wrote.
type golden struct {
	Name    string `json:"name"`
	Version string `json:"seata_version"`
	Context string `json:"context"`
	Info    string `json:"rollback_info_json"`
}

func goldens(t testing.TB) []golden {
	t.Helper()
	raw, err := os.ReadFile("testdata/golden-undolog.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 9 {
		t.Fatalf("only %d goldens", len(all))
	}
	return all
}

func TestWhatJavaWroteIsWrittenAgainByteForByte(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		l, err := undo.Decode(g.Context, []byte(g.Info), undo.Options{})
		if err != nil {
			t.Errorf("%s of %s: %v", g.Name, g.Version, err)
			continue
		}
		if g.Info == "{}" {
			if diff := cmp.Diff(&undo.Log{}, l); diff != "" {
				t.Error(diff)
			}
			continue
		}
		o := undo.Options{}
		if strings.HasPrefix(g.Version, "1.") {
			o.Prefix = undo.PrefixOld
		}
		context, info, err := undo.Encode(l, o)
		if err != nil {
			t.Errorf("%s of %s: %v", g.Name, g.Version, err)
			continue
		}
		if diff := cmp.Diff(g.Info, string(info)); diff != "" {
			t.Errorf("%s of %s: %s", g.Name, g.Version, diff)
		}
		if !strings.HasPrefix(context, g.Context) {
			t.Errorf("context %s, Java has %s", context, g.Context)
		}
	}
}

func TestEveryClassOfJavaIsRead(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		if g.Name != "insert-all-types" {
			continue
		}
		l, err := undo.Decode(g.Context, []byte(g.Info), undo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]any{}
		for _, f := range l.Statements[0].After.Rows[0].Fields {
			got[f.Name] = f.Value
		}
		want := map[string]any{
			"id": int32(7), "price": undo.Decimal("12.50"), "created": undo.Timestamp("2023-11-14 22:13:20.123"),
			"updated": undo.Timestamp("2023-11-14 22:13:20.123456"), "d": undo.Date("2023-11-14 22:13:20"),
			"tm": undo.Time("22:13:20"), "n": nil, "flag": true, "dbl": 1.5, "fl": float32(2.5),
			"big": uint64(18446744073709551615), "blob": undo.Blob("\x01\x02\x03\xff"), "clob": undo.Clob("text"),
			"bin": []byte("\x09\x08"), "ldt": undo.DateTime("2023-11-14 22:13:20"),
			"ldtn": undo.DateTime("2023-11-14 22:13:20.123456"),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestJavasMomentsAreReadInTheZoneOfItsMachines(t *testing.T) {
	t.Parallel()
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	const info = `{"@class":"io.seata.rm.datasource.undo.BranchUndoLog","xid":"x","branchId":1,"sqlUndoLogs":` +
		`["java.util.ArrayList",[{"@class":"io.seata.rm.datasource.undo.SQLUndoLog","sqlType":"UPDATE","tableName":"t",` +
		`"beforeImage":{"@class":"io.seata.rm.datasource.sql.struct.TableRecords","tableName":"t","rows":` +
		`["java.util.ArrayList",[{"@class":"io.seata.rm.datasource.sql.struct.Row","fields":["java.util.ArrayList",[` +
		`{"@class":"io.seata.rm.datasource.sql.struct.Field","name":"a","keyType":"NULL","type":93,"value":` +
		`["java.sql.Timestamp",1700000000000]},` +
		`{"@class":"io.seata.rm.datasource.sql.struct.Field","name":"b","keyType":"NULL","type":91,"value":` +
		`["java.sql.Date",1699977600000]}]]}]]},"afterImage":null}]]}`
	l, err := undo.Decode("serializer=jackson", []byte(info), undo.Options{Location: shanghai})
	if err != nil {
		t.Fatal(err)
	}
	fields := l.Statements[0].Before.Rows[0].Fields
	if fields[0].Value != undo.Timestamp("2023-11-15 06:13:20") || fields[1].Value != undo.Date("2023-11-15") {
		t.Errorf("%v", fields)
	}
	// The same log, with the zone that Go notes beside what it writes: no matter what the reader's own zone is.
	l, err = undo.Decode("serializer=jackson&zone=Asia/Shanghai", []byte(info), undo.Options{})
	if err != nil || l.Statements[0].Before.Rows[0].Fields[1].Value != undo.Date("2023-11-15") {
		t.Errorf("%v %v", l, err)
	}
}
