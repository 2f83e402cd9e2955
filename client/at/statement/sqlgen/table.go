package sqlgen

import (
	"fmt"
	"strings"
)

// Table is a made-up table.
type Table struct {
	Name    string
	Columns []Column
	// Primary are the names of the key's columns, in its order.
	Primary []string
	// Unique is a column with a unique index, or "".
	Unique string
}

// Column is a made-up column.
type Column struct {
	Name string
	// Type is its type as CREATE TABLE has it, with what follows the type.
	Type string
	// Kind chooses the values: "int", "text", "bytes", "decimal", "time", "day", "float", "flag", "choice", "bits",
	// "span", "json", or "auto" and "computed" for what statements leave to the database.
	Kind string
}

// Create returns the table's CREATE TABLE.
func (t Table) Create() string {
	var parts []string
	for _, c := range t.Columns {
		parts = append(parts, "`"+c.Name+"` "+c.Type)
	}
	keys := make([]string, len(t.Primary))
	for i, name := range t.Primary {
		keys[i] = "`" + name + "`"
	}
	parts = append(parts, "PRIMARY KEY ("+strings.Join(keys, ", ")+")")
	if t.Unique != "" {
		parts = append(parts, "UNIQUE KEY ("+"`"+t.Unique+"`)")
	}
	return "CREATE TABLE `" + t.Name + "` (" + strings.Join(parts, ", ") + ") ENGINE=InnoDB"
}

// column returns the column of a name.
func (t Table) column(name string) Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return Column{}
}

// isPrimary tells whether a column is part of the key.
func (t Table) isPrimary(name string) bool {
	for _, key := range t.Primary {
		if key == name {
			return true
		}
	}
	return false
}

// plain returns the columns that statements may set: outside of the key, not computed.
func (t Table) plain() []Column {
	var columns []Column
	for _, c := range t.Columns {
		if !t.isPrimary(c.Name) && c.Kind != "computed" {
			columns = append(columns, c)
		}
	}
	return columns
}

// valueTypes are what columns outside of the key may be.
func valueTypes() []Column {
	return []Column{
		{Type: "INT NULL", Kind: "int"},
		{Type: "BIGINT UNSIGNED NOT NULL DEFAULT 0", Kind: "int"},
		{Type: "SMALLINT NULL", Kind: "int"},
		{Type: "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL", Kind: "text"},
		{Type: "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'x'", Kind: "text"},
		{Type: "TEXT CHARACTER SET utf8mb4 NULL", Kind: "text"},
		{Type: "DECIMAL(12,3) NULL", Kind: "decimal"},
		{Type: "DATETIME(6) NULL", Kind: "time"},
		{Type: "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP", Kind: "time"},
		{Type: "DATE NULL", Kind: "day"},
		{Type: "TIME(3) NULL", Kind: "span"},
		{Type: "DOUBLE NULL", Kind: "float"},
		{Type: "FLOAT NULL", Kind: "float"},
		{Type: "TINYINT(1) NULL", Kind: "flag"},
		{Type: "ENUM('red', 'green', 'Blue') NULL", Kind: "choice"},
		{Type: "VARBINARY(20) NULL", Kind: "bytes"},
		{Type: "BLOB NULL", Kind: "bytes"},
		{Type: "BIT(9) NULL", Kind: "bits"},
		{Type: "JSON NULL", Kind: "json"},
	}
}

// Table makes up a table of a name: a key of one to three columns of any kind, one to six other columns, perhaps a
// unique index and a computed column.
func (g *Generator) Table(name string) Table {
	t := Table{Name: name}
	auto := Column{Name: "id", Type: pick(g, "BIGINT", "INT UNSIGNED") + " NOT NULL AUTO_INCREMENT", Kind: "auto"}
	number := Column{Name: "no", Type: "INT NOT NULL", Kind: "int"}
	folded := Column{
		Name: "code", Type: "VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL", Kind: "text",
	}
	exact := Column{Name: "sku", Type: "VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL", Kind: "text"}
	switch g.choose(8) {
	case 0, 1:
		t.Columns = []Column{auto}
	case 2:
		t.Columns = []Column{number}
	case 3:
		t.Columns = []Column{folded}
	case 4:
		t.Columns = []Column{exact, number}
	case 5:
		t.Columns = []Column{number, folded, {Name: "raw", Type: "VARBINARY(10) NOT NULL", Kind: "bytes"}}
	case 6:
		t.Columns = []Column{
			{Name: "price", Type: "DECIMAL(12,3) NOT NULL", Kind: "decimal"},
			{Name: "day", Type: "DATE NOT NULL", Kind: "day"},
		}
	case 7:
		t.Columns = []Column{
			{Name: "at", Type: "DATETIME(6) NOT NULL", Kind: "time"},
			{Name: "kind", Type: "ENUM('red', 'green', 'Blue') NOT NULL", Kind: "choice"},
		}
	}
	for _, c := range t.Columns {
		t.Primary = append(t.Primary, c.Name)
	}
	if len(t.Primary) > 1 && g.yes(2) { // the key's order is not the table's
		t.Primary[0], t.Primary[1] = t.Primary[1], t.Primary[0]
	}
	types := valueTypes()
	for i := range 1 + g.choose(6) {
		c := pick(g, types...)
		c.Name = fmt.Sprintf("c%d", i)
		if g.yes(8) {
			c.Name = fmt.Sprintf("odd `name %d", i)
			c.Name = strings.ReplaceAll(c.Name, "`", "")
		}
		t.Columns = append(t.Columns, c)
	}
	if g.yes(3) {
		t.Columns = append(t.Columns, Column{Name: "uniq", Type: "INT NULL", Kind: "int"})
		t.Unique = "uniq"
	}
	if g.yes(4) {
		t.Columns = append(t.Columns, Column{
			Name: "computed", Type: "VARCHAR(40) AS (CONCAT('=', `" + t.Columns[len(t.Primary)].Name + "`)) VIRTUAL",
			Kind: "computed",
		})
		if kind := t.Columns[len(t.Primary)].Kind; kind != "int" && kind != "text" {
			t.Columns = t.Columns[:len(t.Columns)-1]
		}
	}
	return t
}
