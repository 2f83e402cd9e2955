package mq

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

type event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	TraceParent     string    `json:"traceparent"`
	Data            struct {
		XID, Outcome, Cause, Application, Group, Name string
		BeganAt, DecidedAt                            time.Time
		Epoch                                         int64
		Branches                                      []struct{ ID, Kind, Resource, Data string }
		Truncated                                     bool
		Href                                          string
	} `json:"data"`
}

func decided() *txn.Global {
	return &txn.Global{
		XID: txn.XID{Prefix: "10.0.0.1:8091", ID: 1 << 60}, Version: 3, Application: "shop \"α\"", Group: "default",
		Name: "place\norder\x00\xff", BeganAt: 1_700_000_000_001, DecidedAt: 1_700_000_001_500,
		Status: txn.Committing, Cause: txn.CauseRequested,
		Branches: []*txn.Branch{
			{ID: 1<<60 + 1, Kind: txn.AT, Resource: "jdbc:mysql://db/shop", Data: `{"a":"b\c"}`},
			{ID: 1<<60 + 2, Kind: txn.TCC, Resource: "stock", Data: ""},
		},
	}
}

func decode(t *testing.T, b []byte) event {
	t.Helper()
	var e event
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return e
}

func TestEventIsCloudEvents(t *testing.T) {
	t.Parallel()
	g := decided()
	e := decode(t, AppendDecision(nil, g))
	var want event
	want.SpecVersion, want.ID, want.Source = "1.0", "10.0.0.1:8091:1152921504606846976/3", EventSource
	want.Type, want.Subject, want.Time = EventTypeCommit, g.XID.String(), g.DecidedAt.Time()
	want.DataContentType = "application/json"
	want.Data.XID, want.Data.Outcome, want.Data.Cause = g.XID.String(), "commit", "requested"
	want.Data.Application, want.Data.Group, want.Data.Name = g.Application, g.Group, "place\norder\x00\ufffd"
	want.Data.BeganAt, want.Data.DecidedAt = g.BeganAt.Time(), g.DecidedAt.Time()
	want.Data.Branches = []struct{ ID, Kind, Resource, Data string }{
		{"1152921504606846977", "AT", "jdbc:mysql://db/shop", `{"a":"b\c"}`},
		{"1152921504606846978", "TCC", "stock", ""},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	g.Status, g.Branches = txn.RolledBack, nil
	g.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	e = decode(t, AppendDecisionBy(nil, g, 17))
	if e.TraceParent != g.Trace || e.Data.Epoch != 17 {
		t.Errorf("trace %q, epoch %d", e.TraceParent, e.Data.Epoch)
	}
	g.Trace = `"`
	e = decode(t, AppendDecision(nil, g))
	if e.TraceParent != "" {
		t.Errorf("trace %q", e.TraceParent)
	}
	if e.Type != EventTypeRollback || e.Data.Outcome != "rollback" || len(e.Data.Branches) != 0 {
		t.Errorf("rollback: %+v", e)
	}
}

func TestLargeEventCarriesIDsOnly(t *testing.T) {
	t.Parallel()
	for _, data := range []string{strings.Repeat("x", branchBytesMax), strings.Repeat("\x01", branchBytesMax/5)} {
		g := decided()
		g.Branches[1].Data = data
		b := AppendDecision(nil, g)
		e := decode(t, b)
		if !e.Data.Truncated || len(b) > 4096 || len(e.Data.Branches) != 2 || e.Data.Branches[0].ID == "" ||
			e.Data.Branches[0].Resource != "" || e.Data.Href != "/api/v1/transactions/1152921504606846976" {
			t.Errorf("%d bytes, %+v", len(b), e.Data)
		}
	}
}

func TestTopicsFollowOutcome(t *testing.T) {
	t.Parallel()
	if Topic(txn.Commit) != TopicCommit || Topic(txn.Rollback) != TopicRollback {
		t.Error("topics are swapped")
	}
	if got := TopicWith("shop", txn.Rollback); got != "shop-rollback" {
		t.Errorf("with a prefix it is %s", got)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\r\t\b\f\x00\x1f", "ä€𝄞", "\xff\xc0\x80", "a\u2028b", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendText(nil, s)
		if !utf8.Valid(b) {
			t.Fatalf("%q: not UTF-8", b)
		}
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		var want []rune
		for _, r := range s { // ranging gives U+FFFD for each bad byte
			want = append(want, r)
		}
		if got != string(want) {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

func BenchmarkAppendDecision(b *testing.B) {
	g := decided()
	g.Application, g.Name = "shop", "placeOrder"
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendDecision(buf[:0], g)
	}
	b.SetBytes(int64(len(buf)))
}
