//go:build parts

package schema_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/at/schema"
)

func TestMariaDBIsReadAsItIs(t *testing.T) {
	t.Parallel()
	db := setup(t,
		`CREATE TABLE parent (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL,
			code CHAR(4) COLLATE utf8mb4_bin, UNIQUE named (name, code), UNIQUE short (name(3))) CHARSET utf8mb4`,
		`CREATE TABLE child (b INT, a VARCHAR(5), parent BIGINT UNSIGNED, PRIMARY KEY (a, b),
			kind ENUM('Unsigned','b'), flag TINYINT(1) UNSIGNED, yes BOOLEAN, price DECIMAL(10,2) NOT NULL DEFAULT 0,
			twice DECIMAL(12,2) AS (price * 2), kept DECIMAL(12,2) AS (price * 3) STORED,
			made DATETIME DEFAULT NOW(), at TIMESTAMP(6) DEFAULT NOW(6) ON UPDATE NOW(6),
			CONSTRAINT gone FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE)`,
		`CREATE TABLE bare (a INT UNIQUE NOT NULL)`,
		`CREATE VIEW seen AS SELECT a FROM bare`,
		`CREATE TRIGGER tr BEFORE UPDATE ON bare FOR EACH ROW SET NEW.a = NEW.a + 1`)
	q := schema.DB(db)
	parent, err := new(schema.Cache).Table(t.Context(), q, "parent")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{parent.Schema + ".child.gone"}, parent.Cascades); diff != "" {
		t.Error(diff)
	}
	wantUnique := []schema.Index{
		{Name: "named", Columns: []string{"name", "code"}}, {Name: "short", Columns: []string{"name"}, Partial: true},
	}
	if diff := cmp.Diff(wantUnique, parent.Unique); diff != "" {
		t.Error(diff)
	}
	if id := parent.Columns[0]; !id.AutoIncrement || !id.Unsigned() || id.Nullable || parent.Primary[0] != "id" {
		t.Errorf("id: %+v", id)
	}
	if name, code := parent.Columns[1], parent.Columns[2]; !name.FoldsCase() || name.DefaultNull || code.FoldsCase() ||
		!code.DefaultNull {
		t.Errorf("name: %+v, code: %+v", name, code)
	}
	child, err := schema.Load(t.Context(), q, fmt.Sprintf("`%s`.`child`", parent.Schema))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, child.Primary); diff != "" {
		t.Error(diff)
	}
	got := map[string][4]any{}
	for _, c := range child.Columns {
		got[c.Name] = [4]any{c.Type, c.Generated, c.OnUpdateNow, c.DefaultNull}
	}
	want := map[string][4]any{
		"b": {4, false, false, false}, "a": {12, false, false, false}, "parent": {-5, false, false, true},
		"kind": {1, false, false, true}, "flag": {-6, false, false, true}, "yes": {-7, false, false, true},
		"price": {3, false, false, false}, "twice": {3, true, false, true}, "kept": {3, true, false, true},
		"made": {93, false, false, false}, "at": {93, false, true, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	bare, err := schema.Load(t.Context(), q, "bare")
	if err != nil || len(bare.Primary) != 0 || len(bare.Unique) != 1 || len(bare.Triggers) != 1 || bare.View {
		t.Errorf("bare: %+v %v", bare, err)
	}
	if seen, err := schema.Load(t.Context(), q, "seen"); err != nil || !seen.View {
		t.Errorf("view: %+v %v", seen, err)
	}
	for _, name := range []string{"BARE", "nothing", "nowhere.bare"} {
		if _, err := schema.Load(t.Context(), q, name); !errors.Is(err, schema.ErrNoTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADriversConnectionAnswersTheSame(t *testing.T) {
	t.Parallel()
	db := setup(t, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(3))")
	want, err := schema.Load(t.Context(), schema.DB(db), "t")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var got *schema.Table
	if err := conn.Raw(func(raw any) error {
		var err error
		got, err = schema.Load(t.Context(), schema.Conn(raw.(driver.Conn)), "t")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
