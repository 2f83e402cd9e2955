//go:build parts

package mysql

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// fillLists makes n finished transactions and a tenth as many live ones: three in four of the finished ones are
// committed, one live one in a thousand is stuck, and there are 20 applications and 1000 names.
func fillLists(t testing.TB, name string, n int) {
	t.Helper()
	db, err := sql.Open("mysql", dsnOf(name)) // without the limits of a store
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	record := func(status txn.Status) []byte {
		return txn.AppendGlobal(nil, &txn.Global{XID: txn.XID{ID: 1}, Status: status, Application: "a", Name: "n"})
	}
	apps := fmt.Sprintf("IF(seq %% 20 = 0, %d, 100 + seq %% 20)", hash32("shop"))
	names := fmt.Sprintf("IF(seq %% 1000 = 0, %d, 100 + seq %% 1000)", hash32("order"))
	for _, query := range []string{
		fmt.Sprintf(`INSERT INTO concord_finished (id, version, state, began_at, ended_at, epoch, layout, app_hash,
		name_hash, data) SELECT seq, 1, IF(seq %% 4 = 0, 20, 16), 1000 + seq DIV 3, 2000 + seq DIV 3, 1, 0, %s, %s, ?
		FROM %s`, apps, names, numbers(n)),
		fmt.Sprintf(`INSERT INTO concord_live (id, version, state, began_at, due_at, look_at, epoch, layout, app_hash,
		name_hash, data) SELECT seq + 1000000000, 1, IF(seq %% 1000 = 0, 13, 4 + 4 * (seq %% 2)), 1000 + seq DIV 3,
		9000 + seq, 9000 + seq, 1, 0, %s, %s, ? FROM %s`, apps, names, numbers(n/10)),
	} {
		data := record(txn.Committed)
		if _, err := db.ExecContext(t.Context(), query, data); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{
		fmt.Sprintf(`INSERT INTO concord_outbox (pack, recorded_at, n, epoch, events)
		SELECT seq, seq, 1, 1, 'e' FROM %s`, numbers(n/10)),
		fmt.Sprintf(`INSERT INTO concord_lock (row_hash, holder, branch, held, since, epoch, resource, tbl, pk)
		SELECT UNHEX(LEFT(SHA2(seq, 256), 32)), seq + 1000000000, 1, 1, 1, 1, 'r', 't', seq FROM %s`, numbers(n/10)),
		fmt.Sprintf(`INSERT INTO concord_pack (pack, outcome, created_at, epoch) SELECT seq, 1, seq, 1
		FROM %s`, numbers(n/10)),
		"ANALYZE TABLE concord_live, concord_finished, concord_outbox, concord_lock, concord_pack",
	} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoQuerySorts explains every reading statement on filled tables: each uses its index, none sorts, none reads a
// whole table.
func TestNoQuerySorts(t *testing.T) {
	t.Parallel()
	h := openHarness(t)
	defer h.Close()
	s := h.store
	const n = 20_000
	fillLists(t, h.name, n)
	const far = int64(1) << 40
	page := func(key int64) []any { return []any{key, int64(0), far, far, far, 51} }
	ids := []any{int64(5), int64(7), int64(n + 5)}
	packs := []any{[]byte("5"), []byte("x")}
	hashes := []any{make([]byte, 16), []byte("0123456789abcdef")}
	for _, tt := range []struct {
		query, table, index string
		args                []any
	}{
		{listLive, "concord_live", "k_state", page(4)},
		{listFinished, "concord_finished", "k_state", page(16)},
		{listApp, "concord_finished", "k_app", page(hash32("shop"))},
		{listName, "concord_finished", "k_name", page(hash32("order"))},
		{selectDue, "concord_live", "k_look", []any{far, int64(2), int64(1), int64(5), 100}},
		{selectClaims, "concord_live", "k_look", []any{int64(5), far, int64(5), far, 100}},
		{selectOld, "concord_finished", "k_state", []any{int64(16), int64(0), far, int64(0), int64(0), 500}},
		{selectUnread, "concord_outbox", "k_recorded", []any{far, far, 100}},
		{selectOutboxState, "concord_outbox", "k_recorded", nil},
		{walkLocks, "concord_lock", "PRIMARY", []any{make([]byte, 16), 1000}},
		{eachLive, "concord_live", "PRIMARY", []any{int64(5), 100}},
		{eachFinished, "concord_finished", "PRIMARY", []any{int64(5), 100}},
		{selectGlobals.text(3), "concord_live", "PRIMARY", ids},
		{selectEnded.text(3), "concord_finished", "PRIMARY", ids},
		{selectLive.text(3), "concord_live", "PRIMARY", ids},
		{selectFinished.text(3), "concord_finished", "PRIMARY", ids},
		{selectHolders.text(3), "concord_live", "PRIMARY", ids},
		{findHolders.text(2), "l", "PRIMARY", hashes},
		{findHolders.text(2), "g", "PRIMARY", hashes},
		{selectGlimpses.text(3), "concord_live", "PRIMARY", append(append([]any{}, ids...), ids...)},
		{selectGlimpses.text(3), "concord_finished", "PRIMARY", append(append([]any{}, ids...), ids...)},
		{selectLocks.text(2), "concord_lock", "PRIMARY", hashes},
		{findLocks.text(2), "concord_lock", "PRIMARY", hashes},
		{selectPack, "concord_pack", "PRIMARY", []any{[]byte("5")}},
		{selectPacks.text(2), "concord_pack", "PRIMARY", packs},
		{deleteOldPacks, "concord_pack", "k_created", []any{int64(5), 100}},
		{readClaimed.text(2), "concord_outbox", "PRIMARY", append([]any{int64(5)}, packs...)},
		{lockOutbox.text(2), "concord_outbox", "PRIMARY", packs},
		{eachOutbox, "concord_outbox", "PRIMARY", []any{[]byte("5"), 100}},
	} {
		for _, p := range explain(t, s.pool, tt.query, tt.args...) {
			sorts := strings.Contains(p.extra, "filesort")
			if strings.HasPrefix(p.table, "<") {
				continue // the union's own result
			}
			if p.table == tt.table && p.index != tt.index || p.access == "ALL" || sorts ||
				strings.Contains(p.extra, "temporary") {
				t.Errorf("%.70q: %+v, want index %s", tt.query, p, tt.index)
			}
		}
	}
}

type plan struct{ table, access, index, extra string }

func explain(t *testing.T, db *sql.DB, query string, args ...any) (plans []plan) {
	t.Helper()
	rows, err := db.Query("EXPLAIN FORMAT=TRADITIONAL "+query, args...)
	if err != nil {
		t.Fatalf("explain %.60q: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil || !slices.Contains(columns, "key") {
		t.Fatalf("explain %.60q: columns %q, %v", query, columns, err)
	}
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		var p plan
		for i, name := range columns {
			switch strings.ToLower(name) {
			case "table":
				p.table = values[i].String
			case "type":
				p.access = values[i].String
			case "key":
				p.index = values[i].String
			case "extra":
				p.extra = values[i].String
			}
		}
		plans = append(plans, p)
	}
	if len(plans) == 0 || rows.Err() != nil {
		t.Fatalf("explain %.60q: %v", query, rows.Err())
	}
	return plans
}

// BenchmarkListMillion measures first pages of lists with a million finished and a hundred thousand live transactions.
// Run it with -benchtime 20x.
func BenchmarkListMillion(b *testing.B) {
	h := openHarness(b)
	s := h.store
	start := time.Now()
	fillLists(b, h.name, 1_000_000)
	b.Logf("filled in %v", time.Since(start))
	for name, query := range map[string]func(tx executor) error{
		"all":      listOf(b, s, orchestrator.Query{}),
		"live":     listOf(b, s, orchestrator.Query{Live: true}),
		"stuck":    listOf(b, s, orchestrator.Query{Stuck: true}),
		"rolled":   listOf(b, s, orchestrator.Query{Status: txn.RolledBack}),
		"name":     listOf(b, s, orchestrator.Query{Name: "order", Status: txn.Committed}),
		"app":      listOf(b, s, orchestrator.Query{Application: "shop", Status: txn.Committed}),
		"liveName": listOf(b, s, orchestrator.Query{Name: "order", Live: true}),
		"counts":   func(executor) error { _, err := s.Counts(b.Context()); return err },
		"due": func(executor) error {
			_, err := s.Due(b.Context(), 1<<40, time.Millisecond, 1000)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := query(s.pool); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	h.Close()
}

// listOf reads the places of a page, of records that are not whole.
func listOf(b *testing.B, s *Store, q orchestrator.Query) func(tx executor) error {
	return func(tx executor) error {
		for _, src := range sources(q) {
			if _, _, err := s.walk(b.Context(), tx, q, src, newestPlace, 50); err != nil {
				return err
			}
		}
		return nil
	}
}
