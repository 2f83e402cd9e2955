package schema

import "strings"

// The codes of java.sql.Types that columns of MySQL have with Connector/J. Undo logs carry them.
const (
	Bit           = -7
	TinyInt       = -6
	BigInt        = -5
	LongVarBinary = -4
	VarBinary     = -3
	Binary        = -2
	LongVarChar   = -1
	Char          = 1
	Decimal       = 3
	Integer       = 4
	SmallInt      = 5
	Real          = 7
	Double        = 8
	VarChar       = 12
	Date          = 91
	Time          = 92
	Timestamp     = 93
	Blob          = 2004
	Clob          = 2005
)

// Table is what the database says about one table. It is shared by whoever asked for it and never changed.
type Table struct {
	// Schema and Name are spelled as the database stores them.
	Schema, Name string
	Columns      []Column
	// Primary are the columns of the primary key in the order of the key, empty without one. A unique key that is no
	// primary key does not count.
	Primary []string
	// Unique are the other unique indexes.
	Unique []Index
	// View is true for everything that is no base table.
	View bool
	// Engine is the storage engine in upper case ("INNODB"), empty for a view.
	Engine string
	// Cascades are foreign keys of this and other tables that make the database change other rows by itself when rows
	// of this table are deleted or updated: their names as schema.table.constraint. Only a Cache knows them. Of
	// these and of triggers the database shows only what this user may see.
	Cascades []string
	// Triggers are the events that run triggers: "INSERT", "UPDATE", "DELETE", each at most once.
	Triggers []string
	// FoldsCase is true where the server compares names of tables without regard to case.
	FoldsCase bool
}

// Column is one column of a table.
type Column struct {
	// Name is spelled as in the table. Names of columns are compared without regard to case.
	Name string
	// Type is the code of java.sql.Types that Connector/J reports with its default settings, where tinyint(1) is a bit
	// and year is a date.
	Type int
	// MySQLType is the whole type in lower case but for the members of enum and set: "bigint(20) unsigned".
	MySQLType string
	Nullable  bool
	// DefaultNull columns are NULL where a statement does not say otherwise.
	DefaultNull   bool
	AutoIncrement bool
	// Generated columns are computed by the database; they cannot be written.
	Generated bool
	// OnUpdateNow columns are set to the time by each update that does not set them.
	OnUpdateNow bool
	// Collation is empty for what is no text.
	Collation string
}

// Index is a unique index that is not the primary key.
type Index struct {
	Name    string
	Columns []string
	// Partial is true for an index over prefixes or expressions: two rows with different values may collide in it.
	// Expressions are not among Columns.
	Partial bool
}

// Kind returns the type's name alone: "bigint" for "bigint(20) unsigned".
func (c Column) Kind() string {
	if at := strings.IndexAny(c.MySQLType, "( "); at >= 0 {
		return c.MySQLType[:at]
	}
	return c.MySQLType
}

// Unsigned tells whether a number has no sign.
func (c Column) Unsigned() bool {
	switch c.Kind() {
	case "enum", "set":
		return false
	}
	return strings.Contains(c.MySQLType, "unsigned")
}

// FoldsCase tells whether the column's collation takes differently spelled text for equal. Only collations that
// compare bytes or code points do not.
func (c Column) FoldsCase() bool {
	return c.Collation != "" && c.Collation != "binary" && !strings.HasSuffix(c.Collation, "_bin") &&
		!strings.Contains(c.Collation, "_as_cs") && !strings.HasSuffix(c.Collation, "_cs")
}

// Column returns the column of a name, compared without regard to case, and whether there is one.
func (t *Table) Column(name string) (Column, bool) {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return t.Columns[i], true
		}
	}
	return Column{}, false
}

// IsPrimary tells whether the column of a name is part of the primary key.
func (t *Table) IsPrimary(name string) bool {
	for _, key := range t.Primary {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

// Quoted returns the table's name with its schema, quoted for SQL.
func (t *Table) Quoted() string { return Quote(t.Schema) + "." + Quote(t.Name) }

// Quote returns a name in back quotes, for SQL.
func Quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
