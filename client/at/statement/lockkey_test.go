package statement_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// keyed makes a table whose key has columns of the collations, "-" for no text, and an image of rows of such keys.
func keyed(collations []string, keys ...[]any) (*schema.Table, undo.Records) {
	t := &schema.Table{Name: "T_order"}
	for i, collation := range collations {
		c := schema.Column{Name: string(rune('a' + i)), Type: schema.VarChar, Collation: collation}
		if collation == "-" {
			c.Collation = ""
		}
		t.Columns = append(t.Columns, c)
		t.Primary = append(t.Primary, c.Name)
	}
	var records undo.Records
	for _, key := range keys {
		row := undo.Row{Fields: []undo.Field{{Name: "other", Value: "x"}}}
		for i := range key { // not in the key's order
			at := len(key) - 1 - i
			row.Fields = append(row.Fields, undo.Field{Name: t.Primary[at], Key: true, Value: key[at]})
		}
		records.Rows = append(records.Rows, row)
	}
	return t, records
}

func TestLockKeysAreAsJavaSpellsThem(t *testing.T) {
	t.Parallel()
	const folds, exact = "utf8mb4_general_ci", "utf8mb4_bin"
	for _, c := range []struct {
		name       string
		collations []string
		keys       [][]any
		want       string
	}{
		{"none", []string{"-"}, nil, ""},
		{"numbers", []string{"-"}, [][]any{{int64(1)}, {int64(-2)}, {uint64(1 << 63)}}, "T_order:1,-2,9223372036854775808"},
		{"small numbers", []string{"-"}, [][]any{{int32(7)}, {true}, {undo.Year(2026)}}, "T_order:7,true,2026-01-01"},
		{"decimals", []string{"-"}, [][]any{{undo.Decimal("1.50")}, {undo.Decimal("0.00000001")}}, "T_order:1.50,1E-8"},
		{"composite", []string{"-", exact}, [][]any{{int64(1), "a"}, {int64(2), "b"}}, "T_order:1_a,2_b"},
		{"twice", []string{"-"}, [][]any{{int64(1)}, {int64(1)}}, "T_order:1"},
		{"timestamp", []string{"-"}, [][]any{{undo.Timestamp("2023-11-14 22:13:20")}}, "T_order:2023-11-14 22:13:20.0"},
		{
			"datetime, in both spellings", []string{"-"}, [][]any{{undo.DateTime("2023-11-14 22:13:20.5")}},
			"T_order:2023-11-14 22:13:20.5,2023-11-14T22:13:20.500",
		},
		{"day", []string{"-"}, [][]any{{undo.Date("2023-11-14")}}, "T_order:2023-11-14"},
		{"bytes", []string{"-"}, [][]any{{[]byte("\x00\xff")}}, "T_order:00ff"},
		{"text as it is", []string{exact}, [][]any{{"aBc é"}}, "T_order:aBc é"},
		{"folded text also as it is", []string{folds}, [][]any{{"ABC"}, {"xyz"}}, "T_order:ABC,abc,xyz"},
		{"accents", []string{folds}, [][]any{{"Ärger"}, {"Straße"}, {"苹果"}}, "T_order:Ärger,arger,Straße,strasse,苹果"},
		{"accents of more languages", []string{folds}, [][]any{{"Ștefan"}, {"NGƯỜI"}}, "T_order:Ștefan,stefan,NGƯỜI,nguoi"},
		{"combined accents", []string{folds}, [][]any{{"e\u0301"}}, "T_order:e\u0301,e"},
		{"spaces at the end", []string{exact}, [][]any{{"a  "}}, "T_order:a  ,a"},
		{"a comma cuts", []string{exact}, [][]any{{"a,b"}}, "T_order:a,b"},
		{"a semicolon is a comma", []string{exact}, [][]any{{"a;b"}}, "T_order:a,b"},
		{"nothing left", []string{exact}, [][]any{{""}, {";,"}}, "T_order:''"},
		{"empty parts", []string{exact, exact}, [][]any{{"", ""}}, "T_order:_"},
		{"a colon", []string{exact}, [][]any{{"a:b"}}, "T_order:a:b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			table, image := keyed(c.collations, c.keys...)
			if got := statement.LockKey(table, image); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestEveryRowIsLocked has the coordinator take keys apart: whatever is in a key, it locks something of its table, the
// same for the same row, and what it locks among others is the same.
func TestEveryRowIsLocked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		part := rapid.StringOf(rapid.SampledFrom([]rune("aB,;:_ é''")))
		columns := rapid.IntRange(1, 3).Draw(rt, "columns")
		collations := make([]string, columns)
		for i := range collations {
			collations[i] = rapid.SampledFrom([]string{"utf8mb4_general_ci", "utf8mb4_bin"}).Draw(rt, "collation")
		}
		key := func(name string) []any {
			parts := make([]any, columns)
			for i := range parts {
				parts[i] = part.Draw(rt, name)
			}
			return parts
		}
		locks := func(keys ...[]any) map[string]bool {
			table, image := keyed(collations, keys...)
			all := map[string]bool{}
			txn.EachLock(statement.LockKey(table, image), func(table, pk string) bool {
				if table != "T_order" {
					rt.Fatalf("a lock on table %q", table)
				}
				all[pk] = true
				return true
			})
			return all
		}
		one, other := key("one"), key("other")
		alone, both := locks(one), locks(other, one)
		if len(alone) == 0 {
			rt.Fatalf("%q locks nothing", one)
		}
		for pk := range alone {
			if !both[pk] {
				rt.Fatalf("%q locks %q alone, but not beside %q", one, pk, other)
			}
		}
	})
}
