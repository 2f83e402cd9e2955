package journal

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/webtest"
)

// rig is a journal on documents in memory.
type rig struct {
	*Journal
	documents *webtest.Documents
	clock     *webtest.Clock
}

func setup(t *testing.T) *rig {
	t.Helper()
	clock := webtest.NewClock(1_700_000_000_000)
	documents := webtest.NewDocuments(clock)
	return &rig{
		Journal: New(Options{Documents: documents, Clock: clock, Node: "a"}), documents: documents, clock: clock,
	}
}

// record writes n entries.
func (r *rig) record(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		e := &Entry{Who: "key:1", Action: "thing.do", Target: fmt.Sprint(i), Phase: Fact}
		if err := r.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		r.clock.Advance(1000)
	}
}

func (r *rig) verify(t *testing.T, after uint64, anchor Anchor) Report {
	t.Helper()
	report, err := r.Verify(t.Context(), after, anchor)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestAnUntouchedChainIsWhole(t *testing.T) {
	t.Parallel()
	r := setup(t)
	if got := r.verify(t, 0, Anchor{}); !got.Whole || got.Entries != 0 {
		t.Errorf("empty: %+v", got)
	}
	r.record(t, 2500) // more than two pages
	got := r.verify(t, 0, Anchor{})
	if !got.Whole || got.Entries != 2500 || got.Last != 2500 || len(got.Hash) != 64 || got.Next != 0 {
		t.Errorf("%+v", got)
	}
	if part := r.verify(t, 2000, Anchor{Seq: 2500, Hash: got.Hash}); !part.Whole || part.Entries != 500 {
		t.Errorf("%+v", part)
	}
}

func TestEveryTamperingIsFound(t *testing.T) {
	t.Parallel()
	replace := func(from, to string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) }
	}
	remove := func([]byte) []byte { return nil }
	for _, tt := range []struct {
		name   string
		spoil  func(r *rig)
		anchor Anchor
		seq    uint64
		fault  string
	}{
		{name: "changed", seq: 3, fault: "was changed",
			spoil: func(r *rig) { r.documents.Spoil(kind, keyOf(3), replace("thing.do", "thing.not")) }},
		{name: "changed with its hash made anew", seq: 4, fault: "was replaced", spoil: func(r *rig) {
			r.documents.Spoil(kind, keyOf(3), func(b []byte) []byte {
				var s stored
				if err := json.Unmarshal(b, &s); err != nil {
					panic(err)
				}
				s.Entry = replace("thing.do", "thing.not")(s.Entry)
				s.Hash = hashOf(s.Entry)
				b, err := json.Marshal(s)
				if err != nil {
					panic(err)
				}
				return b
			})
		}},
		{name: "removed", seq: 3, fault: "missing",
			spoil: func(r *rig) { r.documents.Spoil(kind, keyOf(3), remove) }},
		{name: "first removed", seq: 1, fault: "missing",
			spoil: func(r *rig) { r.documents.Spoil(kind, keyOf(1), remove) }},
		{name: "last removed", seq: 5, fault: "this node has seen",
			spoil: func(r *rig) { r.documents.Spoil(kind, keyOf(5), remove) }},
		{name: "last removed, other node", seq: 5, fault: "missing", anchor: Anchor{Seq: 5, Hash: "x"},
			spoil: func(r *rig) {
				r.documents.Spoil(kind, keyOf(5), remove)
				r.Journal = New(Options{Documents: r.documents, Clock: r.clock})
			}},
		{name: "made anew", seq: 5, fault: "was noted", anchor: Anchor{Seq: 5, Hash: strings.Repeat("0", 64)},
			spoil: func(*rig) {}},
		{name: "moved", seq: 2, fault: "another entry", spoil: func(r *rig) {
			var second, third []byte
			keep := func(to *[]byte) func([]byte) []byte {
				return func(b []byte) []byte { *to = b; return b }
			}
			r.documents.Spoil(kind, keyOf(2), keep(&second))
			r.documents.Spoil(kind, keyOf(3), keep(&third))
			r.documents.Spoil(kind, keyOf(2), func([]byte) []byte { return third })
			r.documents.Spoil(kind, keyOf(3), func([]byte) []byte { return second })
		}},
		{name: "not JSON", seq: 2, fault: "not readable",
			spoil: func(r *rig) { r.documents.Spoil(kind, keyOf(2), func([]byte) []byte { return []byte("{") }) }},
		{name: "put between", seq: 3, fault: "not readable",
			spoil: func(r *rig) {
				r.documents.Spoil(kind, keyOf(2)+"a", func([]byte) []byte { return []byte("{}") })
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			r.record(t, 5)
			tt.spoil(r)
			got := r.verify(t, 0, tt.anchor)
			if got.Whole || got.Seq != tt.seq || !strings.Contains(got.Fault, tt.fault) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestListsOfTheStoreThatEndEarlyHideNothing(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.record(t, 20)
	r.documents.EndEarly(3)
	if got := r.verify(t, 0, Anchor{}); !got.Whole || got.Entries != 20 {
		t.Errorf("%+v", got)
	}
	page, err := r.List(t.Context(), Query{Limit: 15})
	if err != nil || len(page.Items) != 15 || page.Next != 6 {
		t.Errorf("%d entries, next %d, %v", len(page.Items), page.Next, err)
	}
	r.documents.Spoil(kind, keyOf(17), func([]byte) []byte { return nil })
	if got := r.verify(t, 0, Anchor{}); got.Whole || got.Seq != 17 {
		t.Errorf("%+v", got)
	}
}

func TestAnEntryBehindAGapDoesNotHideIt(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.record(t, 3)
	r.documents.Spoil(kind, keyOf(3), func([]byte) []byte { return nil })
	r.record(t, 1)
	if got := r.verify(t, 0, Anchor{}); got.Whole || got.Seq != 3 {
		t.Errorf("%+v", got)
	}
}

func TestManyNodesWriteOneChain(t *testing.T) {
	t.Parallel()
	r := setup(t)
	const nodes, each = 4, 25
	var all sync.WaitGroup
	for n := range nodes {
		j := New(Options{Documents: r.documents, Clock: r.clock, Node: fmt.Sprint(n)})
		for i := range each {
			all.Go(func() {
				if err := j.Record(context.Background(), &Entry{Action: "a", Target: fmt.Sprint(i), Phase: Fact}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if got := r.verify(t, 0, Anchor{}); !got.Whole || got.Entries != nodes*each {
		t.Errorf("%+v", got)
	}
}

func TestALostAnswerMakesNoSecondEntry(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.record(t, 1)
	r.documents.LoseAnswers(1)
	r.record(t, 2)
	if got := r.verify(t, 0, Anchor{}); !got.Whole || got.Entries != 3 {
		t.Errorf("%+v", got)
	}
}

func TestAFaultIsToldAndTheChainGoesOn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.record(t, 1)
	r.documents.Fail(errors.New("away"))
	if err := r.Record(t.Context(), &Entry{Action: "a"}); err == nil || !strings.Contains(err.Error(), "away") {
		t.Errorf("%v", err)
	}
	r.documents.Fail(nil)
	r.record(t, 1)
	if got := r.verify(t, 0, Anchor{}); !got.Whole || got.Entries != 2 {
		t.Errorf("%+v", got)
	}
}

func TestListGoesBackInTimeAndFilters(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.record(t, 30)
	if err := r.Record(t.Context(), &Entry{Who: "key:2", Name: "bo", Action: "other.do", Phase: Intent}); err != nil {
		t.Fatal(err)
	}
	list := func(q Query) []string {
		t.Helper()
		var seqs []string
		for {
			page, err := r.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Items {
				seqs = append(seqs, fmt.Sprint(e.Seq))
			}
			if q.Before = page.Next; q.Before == 0 {
				return seqs
			}
		}
	}
	const start = txn.Millis(1_700_000_000_000)
	for _, tt := range []struct {
		name string
		q    Query
		want string
	}{
		{"who", Query{Who: "key:2"}, "31"},
		{"name", Query{Who: "bo"}, "31"},
		{"action", Query{Action: "other.do"}, "31"},
		{"family of actions", Query{Action: "other"}, "31"},
		{"no family", Query{Action: "oth"}, ""},
		{"target", Query{Target: "7"}, "8"},
		{"time", Query{Since: start + 4000, Until: start + 7000, Limit: 2}, "7 6 5"},
		{"pages", Query{Action: "thing", Since: start + 27000, Limit: 1}, "30 29 28"},
	} {
		if got := strings.Join(list(tt.q), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestExportsHaveEveryEntryAndNoFormula(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for _, why := range []string{"=1+1", "+1", "-1", "@x", "\tx", "plain, \"quoted\"\nlines"} {
		if err := r.Record(t.Context(), &Entry{Action: "a", Why: why, After: json.RawMessage(`{"x":"<b>"}`)}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := r.ExportCSV(t.Context(), &out, 0); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 7 || len(rows[0]) != len(csvHeader) {
		t.Fatalf("%v %v", rows, err)
	}
	for _, row := range rows[1:] {
		for _, text := range row {
			if strings.HasPrefix(text, "=") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") ||
				strings.HasPrefix(text, "@") || strings.HasPrefix(text, "\t") {
				t.Errorf("%q is a formula", text)
			}
		}
	}
	if rows[1][9] != "'=1+1" {
		t.Errorf("%q", rows[1])
	}
	out.Reset()
	if err := r.ExportNDJSON(t.Context(), &out, 2); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines { // as a stranger would check it
		var s stored
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		if hashOf(s.Entry) != s.Hash {
			t.Errorf("the hash is not that of %s", s.Entry)
		}
	}
}

func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	r := setup(t)
	before := json.RawMessage(`"` + strings.Repeat("x", 1<<17) + `"`)
	e := &Entry{Action: "a", Why: strings.Repeat("w", 5000), Before: before}
	if err := r.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	page, err := r.List(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	if got := page.Items[0]; len(got.Why) != textBytesMax || string(got.Before) != `{"omittedBytes":131074}` {
		t.Errorf("%d %s", len(got.Why), got.Before)
	}
}
