package mysql

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// TestOutboxRowsKeepEveryByte packs entries of all kinds, and takes them apart again.
func TestOutboxRowsKeepEveryByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "a", "topic", "\x00'\"\\\xff", "häuser"})
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) orchestrator.OutboxEntry {
			return orchestrator.OutboxEntry{
				ID: rapid.Int64().Draw(t, "id"), Pack: "p", Topic: text.Draw(t, "topic"), Group: text.Draw(t, "group"),
				RecordedAt: txn.Millis(rapid.Int64().Draw(t, "at")),
				Event: bytes.Repeat(
					rapid.SliceOf(rapid.Byte()).Draw(t, "event"), rapid.SampledFrom([]int{1, 1, 1, 100}).Draw(t, "times")),
			}
		}), 1, 20).Draw(t, "entries")
		row := rowOf(entries)
		got, err := entriesOf("p", row.events)
		if err != nil || row.n != len(entries) {
			t.Fatalf("%d entries, %v", row.n, err)
		}
		for i, e := range entries {
			if e.RecordedAt < row.oldest {
				t.Errorf("%d is older than %d", e.RecordedAt, row.oldest)
			}
			if !bytes.Equal(got[i].Event, e.Event) {
				t.Errorf("event %d is %x, was %x", i, got[i].Event, e.Event)
			}
			got[i].Event, entries[i].Event = nil, nil
		}
		if diff := cmp.Diff(entries, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestDamagedOutboxRowIsAnError cuts a row short at each byte, and changes the byte that says what follows.
func TestDamagedOutboxRowIsAnError(t *testing.T) {
	t.Parallel()
	whole := rowOf([]orchestrator.OutboxEntry{
		{ID: 300, Topic: "t", Group: "g", Event: []byte("{}"), RecordedAt: 1 << 40},
	}).events
	long := rowOf([]orchestrator.OutboxEntry{
		{ID: 300, Topic: "t", Event: bytes.Repeat([]byte("long "), deflateFrom)},
	}).events
	if len(long) > deflateFrom || !bytes.HasPrefix(long, []byte(deflated)) {
		t.Fatalf("a long row is not compressed: %d bytes", len(long))
	}
	for _, row := range [][]byte{whole, long} {
		for n := range row {
			if got, err := entriesOf("p", row[:n]); !errors.Is(err, txn.ErrEncoding) {
				t.Errorf("%d bytes: %v, %v", n, got, err)
			}
		}
	}
	for _, first := range []byte{0, 2} { // of a first entry, 1 is due
		broken := bytes.Clone(whole)
		broken[bytes.IndexByte(broken, 1)] = first
		if got, err := entriesOf("p", broken); !errors.Is(err, txn.ErrEncoding) {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// TestClearingIsTakenInPieces: what one batch clears is bounded, and nothing of the rest is lost.
func TestClearingIsTakenInPieces(t *testing.T) {
	t.Parallel()
	var c clearing
	parts := map[orchestrator.PackID][]int64{}
	for i := range int64(2*trimMax + 1) {
		parts[orchestrator.PackID(rune('A'+i))] = []int64{i}
	}
	c.parts = parts
	for range rowsMax + 1 {
		c.whole = append(c.whole, "x")
	}
	whole, seen := 0, 0
	for !c.empty() {
		some := c.take()
		if len(some.whole) > rowsMax || len(some.parts) > trimMax || some.empty() {
			t.Fatalf("%d packs and %d parts at once", len(some.whole), len(some.parts))
		}
		whole, seen = whole+len(some.whole), seen+len(some.parts)
	}
	if whole != rowsMax+1 || seen != 2*trimMax+1 {
		t.Errorf("%d packs, %d parts", whole, seen)
	}
}
