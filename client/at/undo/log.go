package undo

// Log is what one branch changed, in the order in which it did.
type Log struct {
	XID        string
	BranchID   int64
	Statements []Statement
}

// Statement is what one statement changed in one table.
type Statement struct {
	Type SQLType
	// Table is the table's name as the statement or the database has it; it may be qualified and quoted.
	Table string
	// Before is empty for an insert, After for a delete.
	Before, After Records
}

// Records are rows of one table, all with the same columns in the same order.
type Records struct {
	Table string
	Rows  []Row
}

// Row is the image of one row: its primary key and all or some of its other columns.
type Row struct{ Fields []Field }

// Field is one column of a row.
type Field struct {
	Name string
	// Key is true for columns of the primary key.
	Key bool
	// Type is a code of java.sql.Types, as in schema.Column.
	Type int
	// Value is nil for NULL, or one of the types that values.go lists. FieldOf makes it.
	Value any
}

// SQLType says what kind of statement it was, in Java's words.
type SQLType string

// The types that change rows.
const (
	SQLInsert            SQLType = "INSERT"
	SQLUpdate            SQLType = "UPDATE"
	SQLDelete            SQLType = "DELETE"
	SQLInsertOnDuplicate SQLType = "INSERT_ON_DUPLICATE_UPDATE"
	SQLUpdateJoin        SQLType = "UPDATE_JOIN"
)
