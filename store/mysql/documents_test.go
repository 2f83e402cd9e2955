package mysql

import (
	"errors"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
)

func TestKeyBefore(t *testing.T) {
	t.Parallel()
	full := func(head string) string { return head + strings.Repeat("\xff", 200-len(head)) }
	for _, tt := range []struct{ key, want string }{
		{"\x00", ""},
		{"a\x00", "a"},
		{"a", full("`")},
		{"ab", full("aa")},
		{"a\x01", full("a\x00")},
		{strings.Repeat("k", 200), strings.Repeat("k", 199) + "j"},
		{full(""), full("")[:199] + "\xfe"},
	} {
		got := keyBefore(tt.key)
		if got != tt.want || got >= tt.key || len(got) > 200 {
			t.Errorf("before %.10q: got %.10q of %d bytes, want %.10q", tt.key, got, len(got), tt.want)
		}
	}
	if got := lastKeyWith("a"); got != full("a") {
		t.Errorf("the last one with a: %q", got)
	}
}

// TestDocumentsInOneBatch has several changes of one document in one batch: each sees what the ones before it left.
func TestDocumentsInOneBatch(t *testing.T) {
	t.Parallel()
	id := documentID{"k", "a"}
	put := func(version uint64) *unit {
		d := &orchestrator.Document{Kind: "k", Key: "a", Version: version, ExpiresAt: 50}
		return &unit{document: &documentChange{id: id, d: d, now: 10}}
	}
	remove := func(version uint64) *unit {
		return &unit{document: &documentChange{id: id, version: version, now: 10}}
	}
	conflict := orchestrator.ErrConflict
	for _, tt := range []struct {
		name   string
		stored documentRow
		units  []*unit
		want   []error
		left   uint64 // the version that is written; 0: none
	}{
		{"created once", documentRow{}, []*unit{put(1), put(1), put(2)}, []error{nil, conflict, nil}, 2},
		{"removed and made anew", documentRow{version: 4, stored: true}, []*unit{remove(3), remove(4), remove(0), put(1)},
			[]error{conflict, nil, nil, nil}, 1},
		{"created and removed", documentRow{}, []*unit{put(1), remove(1)}, []error{nil, nil}, 0},
		{"expired", documentRow{version: 4, stored: true, expiresAt: 10}, []*unit{put(5), remove(7), put(1)},
			[]error{conflict, nil, nil}, 1},
		{"not expired", documentRow{version: 4, stored: true, expiresAt: 11}, []*unit{put(1), put(5)},
			[]error{conflict, nil}, 5},
	} {
		b := newBatch(tt.units, clearing{}, 1)
		*b.documents[id] = tt.stored
		b.decide()
		for i, u := range tt.units {
			if !errors.Is(u.out.err, tt.want[i]) {
				t.Errorf("%s: unit %d got %v, want %v", tt.name, i, u.out.err, tt.want[i])
			}
		}
		if r := b.documents[id]; r.version != tt.left || (r.d != nil) != (tt.left > 0) || !r.changed ||
			r.stored != tt.stored.stored {
			t.Errorf("%s: %+v is left", tt.name, r)
		}
		if !b.writes() {
			t.Errorf("%s: nothing is written", tt.name)
		}
	}
}

// TestDocumentsOfTwoBatchesDiffer has a batch under way: what is queued for the same document waits, the rest does not.
func TestDocumentsOfTwoBatchesDiffer(t *testing.T) {
	t.Parallel()
	unitOf := func(key string) *unit { return &unit{document: &documentChange{id: documentID{"k", key}}} }
	s := &Store{writing: marks{}}
	s.queue = []*unit{unitOf("a"), unitOf("b")}
	first := s.takeUnits()
	s.queue = []*unit{unitOf("a"), unitOf("c")}
	second := s.takeUnits()
	if len(first) != 2 || len(second) != 1 || second[0].document.id.key != "c" || len(s.queue) != 1 {
		t.Fatalf("%d units, then %d, and %d are left", len(first), len(second), len(s.queue))
	}
	for _, u := range append(first, second...) {
		s.writing.remove(u)
	}
	if third := s.takeUnits(); len(third) != 1 || third[0].document.id.key != "a" {
		t.Fatalf("then %d units", len(third))
	}
}
