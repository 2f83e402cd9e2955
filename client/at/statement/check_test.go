package statement_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/undo"
)

// image makes an image of stock of pairs: id, count.
func image(pairs ...int64) []undo.Records {
	records := undo.Records{Table: "stock"}
	for i := 0; i < len(pairs); i += 2 {
		records.Rows = append(records.Rows, undo.Row{Fields: []undo.Field{
			{Name: "id", Key: true, Value: pairs[i]}, {Name: "count", Value: pairs[i+1]},
		}})
	}
	return []undo.Records{records}
}

func TestCheckFindsWhatImagesDoNotShow(t *testing.T) {
	t.Parallel()
	const update, remove = "UPDATE stock SET count = 1 WHERE id > 0", "DELETE FROM stock"
	const insert = "INSERT INTO stock (id, sku) VALUES (1, 'a'), (2, 'b')"
	const merge = insert + " ON DUPLICATE KEY UPDATE count = 5"
	for _, c := range []struct {
		name, sql     string
		before, after []undo.Records
		affected      int64
		found         bool
		wrong         bool
	}{
		{"update", update, image(1, 0, 2, 0), image(1, 1, 2, 1), 2, false, false},
		{"update without change", update, image(1, 1, 2, 0), image(1, 1, 2, 1), 1, false, false},
		{"update of one more", update, image(1, 1, 2, 0), image(1, 1, 2, 1), 2, false, true},
		{"update of found rows", update, image(1, 1, 2, 0), image(1, 1, 2, 1), 2, true, false},
		{"update of one more found", update, image(1, 1, 2, 0), image(1, 1, 2, 1), 3, true, true},
		{"update that loses a row", update, image(1, 0, 2, 0), image(1, 1), 1, false, true},
		{"update that gains a row", update, image(1, 0), image(1, 1, 2, 1), 1, false, true},
		{"update of nothing", update, nil, nil, 0, false, false},
		{"delete", remove, image(1, 0, 2, 0), nil, 2, false, false},
		{"delete of one more", remove, image(1, 0), nil, 2, false, true},
		{"delete of fewer", remove, image(1, 0, 2, 0), nil, 1, false, true},
		{"delete that leaves a row", remove, image(1, 0, 2, 0), image(2, 0), 1, false, false},
		{"insert", insert, nil, image(1, 0, 2, 0), 2, false, false},
		{"insert that is not found again", insert, nil, image(1, 0), 2, false, true},
		{"insert of fewer", insert, nil, image(1, 0, 2, 0), 1, false, true},
		{"merge of new rows", merge, image(), image(1, 0, 2, 0), 2, false, false},
		{"merge of old rows", merge, image(1, 0, 2, 0), image(1, 5, 2, 5), 4, false, false},
		{"merge of an old row without change", merge, image(1, 5), image(1, 5, 2, 0), 1, false, false},
		{"merge of a found row without change", merge, image(1, 5), image(1, 5, 2, 0), 2, true, false},
		{"merge with a row of another", merge, image(1, 0), image(1, 5, 2, 5), 4, false, true},
		{"merge with an unchanged row of another", merge, image(1, 0), image(1, 5, 2, 5), 2, false, true},
		{"merge of a row with itself", merge, image(), image(1, 5), 3, false, false},
		{"merge of a row with itself and one of another", merge, image(), image(1, 5), 2, false, true},
		{"merge that meets one row twice", merge, image(1, 0, 2, 0), image(1, 5, 2, 0), 4, false, false},
		{"merge that loses a row", merge, image(1, 0), image(2, 0), 1, false, true},
		{"select", "SELECT 1", nil, nil, 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := statement.NewCache(statement.Options{}).Parse(c.sql)[0]
			err := s.Check(fixtures(), c.before, c.after, statement.Result{Affected: c.affected, FoundRows: c.found})
			var escaped *statement.EscapedError
			if errors.As(err, &escaped) != c.wrong {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestUndoOfAMergeIsAnUpdateAndAnInsert(t *testing.T) {
	t.Parallel()
	s := statement.NewCache(statement.Options{}).Parse(
		"INSERT INTO other.stock (id) VALUES (1), (2) ON DUPLICATE KEY UPDATE count = 5")[0]
	got := s.Undo(fixtures(), image(1, 0), image(1, 5, 2, 0))
	want := []undo.Statement{
		{Type: undo.SQLUpdate, Table: "`other`.`stock`", Before: image(1, 0)[0], After: image(1, 5)[0]},
		{Type: undo.SQLInsert, Table: "`other`.`stock`", Before: undo.Records{Table: "stock"}, After: image(2, 0)[0]},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUndoOfADeleteHasWhatWasThere(t *testing.T) {
	t.Parallel()
	s := statement.NewCache(statement.Options{}).Parse("DELETE FROM stock")[0]
	got := s.Undo(fixtures(), image(1, 0), nil)
	want := []undo.Statement{
		{Type: undo.SQLDelete, Table: "stock", Before: image(1, 0)[0], After: undo.Records{Table: "stock"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := s.Undo(fixtures(), image(), nil); len(got) != 0 {
		t.Errorf("undo of nothing: %v", got)
	}
	if got := s.LockKeys(fixtures(), image(1, 0, 2, 0), nil); got != "stock:1,2" {
		t.Errorf("lock keys %q", got)
	}
}

func TestEachTableOfAJoinIsUndoneAndLocked(t *testing.T) {
	t.Parallel()
	s := statement.NewCache(statement.Options{}).Parse(
		"UPDATE stock s JOIN `lines` l ON l.stock_id = s.id SET s.count = 1, l.quantity = 2")[0]
	other := func(v int64) undo.Records {
		return undo.Records{Table: "lines", Rows: []undo.Row{{Fields: []undo.Field{
			{Name: "id", Key: true, Value: int64(9)}, {Name: "quantity", Value: v},
		}}}}
	}
	before, after := append(image(1, 0), other(0)), append(image(1, 1), other(2))
	got := s.Undo(fixtures(), before, after)
	if len(got) != 2 || got[0].Type != undo.SQLUpdate || got[0].Table != "stock" || got[1].Table != "`lines`" {
		t.Errorf("%+v", got)
	}
	if got := s.LockKeys(fixtures(), before, after); got != "stock:1;lines:9" {
		t.Errorf("lock keys %q", got)
	}
}
