package rocketmq

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
)

// someDocuments are documents in memory, as far as they are needed here.
type someDocuments struct {
	orchestrator.Documents
	mu  sync.Mutex
	all map[string]orchestrator.Document
}

func (s *someDocuments) GetDocument(_ context.Context, kind, key string) (orchestrator.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.all[kind+key]; ok {
		return d, nil
	}
	return orchestrator.Document{}, orchestrator.ErrNoDocument
}

func (s *someDocuments) PutDocument(_ context.Context, d orchestrator.Document) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := d.Check(); err != nil {
		return err
	}
	if s.all[d.Kind+d.Key].Version+1 != d.Version {
		return orchestrator.ErrConflict
	}
	if s.all == nil {
		s.all = map[string]orchestrator.Document{}
	}
	s.all[d.Kind+d.Key] = d
	return nil
}

// TestRangesAreASetOfOffsets compares them with a map.
func TestRangesAreASetOfOffsets(t *testing.T) {
	t.Parallel()
	const end = 60
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		var r ranges
		model := map[int64]bool{}
		for range 80 {
			x := random.Int64N(end)
			if r.has(x) != model[x] {
				t.Fatalf("seed %d: %v has %d", seed, r, x)
			}
			if !model[x] {
				model[x] = true
				r = r.with(x)
			}
			if random.IntN(20) == 0 {
				first := random.Int64N(end / 4)
				r = r.from(first)
				for y := range first {
					delete(model, y)
				}
			}
		}
		n := int64(0)
		for x := range int64(end) {
			if model[x] != r.has(x) {
				t.Fatalf("seed %d: %d in %v", seed, x, r)
			}
			next := x
			for model[next] {
				next++
			}
			if got := r.skip(x); got != next {
				t.Fatalf("seed %d: %v from %d on is %d, not %d", seed, r, x, got, next)
			}
			if model[x] {
				n++
			}
		}
		if got := r.between(0, end); got != n {
			t.Fatalf("seed %d: %v are %d, not %d", seed, r, got, n)
		}
		for i := 1; i < len(r); i++ {
			if r[i-1][1] >= r[i][0] {
				t.Fatalf("seed %d: no gap in %v", seed, r)
			}
		}
	}
}

// endsAt is a queue that ends there.
func endsAt(end int64) func() (int64, error) { return func() (int64, error) { return end, nil } }

// hookedDocuments calls before the first reading.
type hookedDocuments struct {
	*someDocuments
	once   sync.Once
	before func()
}

func (h *hookedDocuments) GetDocument(ctx context.Context, kind, key string) (orchestrator.Document, error) {
	h.once.Do(h.before)
	return h.someDocuments.GetDocument(ctx, kind, key)
}

// A letter that comes, and is settled by another node, while this one is about to settle an older one does not make
// the queue look as if it were new.
func TestALetterThatCameMeanwhileForgetsNoOther(t *testing.T) {
	t.Parallel()
	docs := &someDocuments{}
	other := settled{docs}
	q, end := queue{deadPrefix + "mail", "broker-a", 0}, int64(10)
	ends := func() (int64, error) { return end, nil }
	add := func(s settled, offset int64) {
		t.Helper()
		if done, err := s.add(t.Context(), q, offset, 0, ends); !done || err != nil {
			t.Errorf("%d: %t %v", offset, done, err)
		}
	}
	add(other, 3)
	this := settled{&hookedDocuments{someDocuments: docs, before: func() {
		end++
		add(other, 10)
	}}}
	add(this, 5)
	all, _, err := other.of(t.Context(), q, ends)
	if diff := cmp.Diff(ranges{{3, 4}, {5, 6}, {10, 11}}, all); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestSettledLettersAreRememberedByQueue(t *testing.T) {
	t.Parallel()
	docs := &someDocuments{}
	s := settled{docs}
	q := queue{deadPrefix + "mail", "broker-a", 0}
	for _, offset := range []int64{3, 5, 4} {
		if done, err := s.add(t.Context(), q, offset, 0, endsAt(10)); !done || err != nil {
			t.Fatalf("%d: %t %v", offset, done, err)
		}
	}
	if done, err := s.add(t.Context(), q, 4, 0, endsAt(10)); done || err != nil {
		t.Errorf("settled twice: %t %v", done, err)
	}
	of := func(q queue, end int64) ranges {
		t.Helper()
		r, _, err := s.of(t.Context(), q, endsAt(end))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if diff := cmp.Diff(ranges{{3, 6}}, of(q, 10)); diff != "" {
		t.Error(diff)
	}
	for _, other := range []queue{{q.topic, q.broker, 1}, {q.topic, "broker-b", 0}, {deadPrefix + "mai", q.broker, 0}} {
		if r := of(other, 10); len(r) != 0 {
			t.Errorf("%v has %v", other, r)
		}
	}
	if r := of(q, 5); len(r) != 0 {
		t.Errorf("a queue that ends at 5 was made anew, but has %v", r)
	}
	if _, err := s.add(t.Context(), q, 8, 5, endsAt(10)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ranges{{5, 6}, {8, 9}}, of(q, 10)); diff != "" {
		t.Errorf("what is deleted is forgotten: %s", diff)
	}
	var group sync.WaitGroup
	for offset := range int64(8) {
		group.Go(func() {
			if _, err := s.add(t.Context(), q, 20+offset, 5, endsAt(40)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if diff := cmp.Diff(ranges{{5, 6}, {8, 9}, {20, 28}}, of(q, 40)); diff != "" {
		t.Errorf("at the same time: %s", diff)
	}
	docs.all = map[string]orchestrator.Document{settledKind + s.key(q): {Version: 1, Value: []byte("?")}}
	if _, _, err := s.of(t.Context(), q, endsAt(10)); err == nil || errors.Is(err, orchestrator.ErrNoDocument) {
		t.Errorf("a document that is damaged: %v", err)
	}
}

func TestPlacesAreReadBackInAllQueues(t *testing.T) {
	t.Parallel()
	topics := []string{"c-commit", "c-rollback"}
	p := &Places{since: time.UnixMilli(1_700_000_000_123), next: map[queue]int64{
		{"c-commit", "broker-a", 0}: 7, {"c-commit", "broker-a", 2}: 0, {"c-commit", "b;/,= é", 1}: 1 << 40,
		{"c-rollback", "broker-a", 0}: 9,
	}}
	text := p.Text(topics)
	if want := "1;1700000000123;0/b%3B%2F%2C%3D+%C3%A9/,1099511627776;0/broker-a/7,,0;1/broker-a/9"; text != want {
		t.Errorf("%s, want %s", text, want)
	}
	for _, p := range []*Places{p, OldestPlaces()} {
		got, ok := ParsePlaces(p.Text(topics), topics)
		if !ok || !got.since.Equal(p.since) || !cmp.Equal(got.next, p.next, cmp.AllowUnexported(queue{})) {
			t.Errorf("%s: %t %v", p.Text(topics), ok, got)
		}
	}
	for _, text := range []string{
		"", "1", "2;0", "1;x", "1;-1", "1;0;", "1;0;2/b/1", "1;0;0/b", "1;0;0//1", "1;0;0/b/x", "1;0;0/b/-1", "1;0;-1/b/1",
		"1;0;0/%zz/1", "1;0;0/b/1/2", "42",
	} {
		if p, ok := ParsePlaces(text, topics); ok {
			t.Errorf("%q is read as %v", text, p)
		}
	}
}
