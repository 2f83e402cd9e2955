package main

import (
	"bytes"
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/clienttest"
)

// sold is what a test shop did.
type sold struct {
	told *history
	out  string
}

// sell runs a shop in this process on a coordinator in its own, and judges what came of it. With kill, services are cut
// off so often, and the coordinator is killed once.
func sell(t *testing.T, m mode, d *databases, l load, kill time.Duration) sold {
	t.Helper()
	coordinator := clienttest.Run(t, "--retry-first", "100ms", "--retry-max", "1s", "--retry-unreachable", "200ms",
		"--callback-timeout", "2s", "--callback-failures", "1000", "--callback-retry-rate", "1000")
	s := newShop(m, coordinator.Seata, coordinator.URL(), d)
	s.patience = 4 * time.Second
	if err := s.start(t.Context(), everywhere()); err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	told, out := newHistory(), &bytes.Buffer{}
	trouble, calm := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if kill > 0 {
			s.trouble(trouble, kill, out)
		}
	})
	var buying sync.WaitGroup
	orders := s.services[orderService].url()
	buying.Go(func() { l.run(t.Context(), orders, told) })
	if kill > 0 {
		wait(t.Context(), 3*kill)
		coordinator.Restart() // by kill -9
	}
	buying.Wait()
	calm()
	running.Wait()
	if err := settled(t.Context(), s.peers(), told, time.Minute); err != nil {
		t.Errorf("goods or money are missing: %v\n%v", err, coordinator.Log())
	}
	if d != nil {
		// Orders whose buyer or service is gone end at their timeout.
		ended := func() bool { return prepared(t, d, coordinator.Seata) == 0 }
		clienttest.Eventually(t, "no branch is prepared any more", ended)
	}
	t.Logf("%s: %d orders are committed, %d rolled back, %d without outcome; %s", m.name, told.count(committed),
		told.count(rolledBack), len(told.told)-told.count(committed)-told.count(rolledBack), told.last)
	return sold{told, out.String()}
}

// prepared counts the XA branches of a coordinator that wait for their second phase. MySQL does not drop a table with
// such rows, even if nobody is left who could end them.
func prepared(t *testing.T, d *databases, coordinator string) (n int) {
	t.Helper()
	db, err := sql.Open("mysql", d.dsn(""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "XA RECOVER")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var format, global, branch int
		var data string
		if err := rows.Scan(&format, &global, &branch, &data); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(data, coordinator+":") {
			n++
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

func modeNamed(t *testing.T, name string) mode {
	t.Helper()
	m, err := modeOf(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// withoutDatabase are the modes that need nothing installed.
func withoutDatabase() []string { return []string{"tcc", "saga"} }

func TestEveryOrderIsCarriedOut(t *testing.T) {
	t.Parallel()
	for _, name := range withoutDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := sell(t, modeNamed(t, name), nil, load{orders: 40, clerks: 4}, 0)
			if n := got.told.count(committed); n != 40 {
				t.Errorf("%d of 40 orders are committed", n)
			}
		})
	}
}

func TestWhatIsRefusedOrLostTakesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range withoutDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := sell(t, modeNamed(t, name), nil, load{orders: 60, clerks: 4, refuse: 0.3, lose: 0.3}, 0)
			if got.told.count(rolledBack) == 0 || got.told.count(committed) == 0 {
				t.Error("there should be orders of both outcomes")
			}
		})
	}
}

func TestServicesAndCoordinatorsThatAreKilledLoseNothing(t *testing.T) {
	t.Parallel()
	for _, name := range withoutDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := load{orders: 60, clerks: 6, lose: 0.05, pause: 50 * time.Millisecond}
			got := sell(t, modeNamed(t, name), nil, l, 300*time.Millisecond)
			if !strings.Contains(got.out, "cut off") || got.told.count(committed) == 0 {
				t.Errorf("too little happened: %s", got.out)
			}
		})
	}
}

func TestOneCommandOpensAShop(t *testing.T) {
	t.Parallel()
	var out, watch bytes.Buffer
	err := run(t.Context(), []string{
		"--mode", "saga", "--concord", clienttest.Build(t), "--orders", "5", "--clerks", "1", "--pause", "300ms",
	}, &out, &watch)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"Console: http://127.0.0.1:", "5 orders are committed", "orders a second", "all there"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &out)
		}
	}
	if first, _, _ := strings.Cut(watch.String(), "\n"); !strings.HasPrefix(first, "   1 s: ") {
		t.Errorf("no progress in:\n%s", &watch)
	}
}

func TestACommandThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"--mode at", "--mode xa", "--mode none", "--refuse 2", "--clerks 0", "--seata 127.0.0.1:1", "--only stock", "extra",
	} {
		if err := run(t.Context(), strings.Fields(line), &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

// TestTheJudgeFindsWhatIsWrong shows that the tests above can fail.
func TestTheJudgeFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	fine := func() (map[string]state, *history) {
		h := newHistory()
		h.note("a", committed, "")
		h.note("b", rolledBack, "no")
		h.note("c", "", "nobody answers")
		return map[string]state{
			orderService:   {Entries: map[string]int64{"a": 2}},
			stockService:   {Left: items*atOnce - 2, Entries: map[string]int64{"a": 2}},
			accountService: {Left: items*atOnce - 20, Entries: map[string]int64{"a": 20}},
		}, h
	}
	if err := judge(fine()); err != nil {
		t.Fatalf("nothing is wrong: %v", err)
	}
	for name, spoil := range map[string]func(map[string]state, *history){
		"goods are lost": func(b map[string]state, _ *history) {
			b[stockService] = state{Left: b[stockService].Left - 1, Entries: b[stockService].Entries}
		},
		"money was not taken":       func(b map[string]state, _ *history) { delete(b[accountService].Entries, "a") },
		"the wrong sum was taken":   func(b map[string]state, _ *history) { b[accountService].Entries["a"] = 10 },
		"an order nobody wrote":     func(b map[string]state, _ *history) { delete(b[orderService].Entries, "a") },
		"a committed order is lost": func(_ map[string]state, h *history) { h.note("x", committed, "") },
		"a rolled back one is kept": func(_ map[string]state, h *history) { h.note("a", rolledBack, "") },
	} {
		b, h := fine()
		if spoil(b, h); judge(b, h) == nil {
			t.Errorf("%s, and the judge finds nothing", name)
		}
	}
}
