package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator"
)

func testDocumentLimits(t *testing.T, s *shelf) {
	// These bytes take the most room when they are written as text.
	largest := document("reply", "a", 1, strings.Repeat("\x00'\\\xff", orchestrator.DocumentBytesMax/4))
	s.expect(s.put(largest))
	for _, d := range []orchestrator.Document{
		document("reply", "b", 1, string(largest.Value)+"x"),
		document("reply", strings.Repeat("k", orchestrator.DocumentKeyBytesMax+1), 1, "x"),
	} {
		s.refuse(d, orchestrator.ErrTooLarge)
		s.refuse(d, orchestrator.ErrTooLarge)
	}
	for _, kind := range []string{
		"", "A", "a/b", "a\x00", "ä", "a_b", strings.Repeat("k", orchestrator.DocumentKindBytesMax+1),
	} {
		if err := s.docs().PutDocument(t.Context(), document(kind, "a", 1, "x")); err == nil {
			t.Errorf("kind %q was taken", kind)
		}
		if _, err := s.docs().ListDocuments(t.Context(), orchestrator.DocumentQuery{Kind: kind}); err == nil {
			t.Errorf("kind %q was listed", kind)
		}
		if _, err := s.docs().GetDocument(t.Context(), kind, "a"); err == nil || errors.Is(err, orchestrator.ErrNoDocument) {
			t.Errorf("kind %q was looked for: %v", kind, err)
		}
	}
	for _, d := range []orchestrator.Document{document("reply", "", 1, "x"), {Kind: "reply", Key: "c", ExpiresAt: -1}} {
		if err := s.docs().PutDocument(t.Context(), d); err == nil {
			t.Errorf("%+v was taken", d)
		}
	}
	s.same(s.list(orchestrator.DocumentQuery{Kind: "reply"}), []orchestrator.Document{largest})
}

func testDocumentLongList(t *testing.T, s *shelf) {
	const n = 20
	value := []byte(strings.Repeat("v", orchestrator.DocumentBytesMax))
	fill(t, s.docs(), "plan", n, func(_ int, d *orchestrator.Document) { d.Value = value })
	page := s.list(orchestrator.DocumentQuery{Kind: "plan", Limit: n})
	if want := orchestrator.DocumentsBytesMax / orchestrator.DocumentBytesMax; len(page) != want {
		t.Fatalf("%d documents on the first page, want %d", len(page), want)
	}
	for _, newest := range []bool{false, true} {
		all, pages := s.pages(orchestrator.DocumentQuery{Kind: "plan", Limit: n, Newest: newest})
		if len(all) != n || pages != 2 {
			t.Fatalf("%d documents on %d pages", len(all), pages)
		}
	}
}

func testDocumentCrash(t *testing.T, s *shelf) {
	for round := range 3 {
		kind := fmt.Sprint("round-", round)
		fill(t, s.docs(), kind, 200, func(i int, d *orchestrator.Document) {
			if i%2 == 0 {
				d.ExpiresAt = s.h.Now().Add(time.Hour)
			}
		})
		second := s.put(document(kind, "000003", 2, "changed"))
		s.remove(kind, "000005", 1, nil)
		s.h.Crash(t)
		all, _ := s.pages(orchestrator.DocumentQuery{Kind: kind, Limit: orchestrator.PageItemsMax})
		if len(all) != 199 {
			t.Fatalf("%d documents are left, want 199", len(all))
		}
		s.expect(second)
		s.expectNone(kind, "000005")
		s.refuse(second, orchestrator.ErrConflict)
	}
	s.h.Advance(time.Hour)
	if all, _ := s.pages(orchestrator.DocumentQuery{Kind: "round-0", Limit: orchestrator.PageItemsMax}); len(all) != 99 {
		t.Fatalf("%d documents are left, want 99", len(all))
	}
}

func testDocumentReopen(_ *testing.T, s *shelf) {
	d := document("key", "a", 1, "x")
	s.put(d)
	d.Version, d.ExpiresAt, d.Value = 2, s.h.Now().Add(time.Minute), []byte("y")
	s.put(d)
	s.h.Reopen(s.t)
	s.expect(d)
	d.Version, d.Value = 3, nil
	s.expect(s.put(d))
	s.h.Reopen(s.t)
	s.h.Advance(time.Minute)
	s.expectNone("key", "a")
}

// testDocumentModel runs random changes on a store and on a map, with crashes and expiry in between.
func testDocumentModel(t *testing.T, open func(t *testing.T) DocumentHarness) {
	rapid.Check(t, func(rt *rapid.T) {
		h := open(t)
		defer h.Close()
		s := &shelf{t: rt, h: h}
		m := map[string]orchestrator.Document{}
		for range rapid.IntRange(5, 50).Draw(rt, "steps") {
			s.randomStep(rt, m)
		}
		s.compare(m)
		h.Crash(rt)
		s.compare(m)
	})
}

func (s *shelf) randomStep(rt *rapid.T, m map[string]orchestrator.Document) {
	key := rapid.SampledFrom([]string{"a", "a\x00", "ab", "b"}).Draw(rt, "key")
	old := m[key] // version 0 if there is none
	version := max(int64(old.Version)+rapid.SampledFrom([]int64{1, 1, 1, 0, 2, -1}).Draw(rt, "version"), 0)
	switch step := rapid.IntRange(0, 19).Draw(rt, "step"); {
	case step == 0:
		s.h.Crash(rt)
	case step == 1:
		s.h.Reopen(rt)
	case step == 2:
		s.h.Advance(time.Duration(rapid.IntRange(1, 20).Draw(rt, "pause")) * time.Millisecond)
		for key, d := range m {
			if d.ExpiredAt(s.h.Now()) {
				delete(m, key)
			}
		}
	case step <= 7:
		if rapid.Bool().Draw(rt, "any version") {
			version = 0
		}
		var want error
		if old.Version != 0 && version != 0 && uint64(version) != old.Version {
			want = orchestrator.ErrConflict
		} else {
			delete(m, key)
		}
		s.remove("job", key, uint64(version), want)
	default:
		d := document("job", key, uint64(version), rapid.StringN(0, 5, 10).Draw(rt, "value"))
		if rapid.Bool().Draw(rt, "expires") {
			d.ExpiresAt = s.h.Now().Add(time.Duration(rapid.IntRange(-1, 30).Draw(rt, "life")) * time.Millisecond)
		}
		if d.Version != old.Version+1 {
			s.refuse(d, orchestrator.ErrConflict)
			break
		}
		s.put(d)
		if m[key] = d; d.ExpiredAt(s.h.Now()) {
			delete(m, key)
		}
	}
	s.compare(m)
}

// compare compares the store with the model.
func (s *shelf) compare(m map[string]orchestrator.Document) {
	s.t.Helper()
	var want []orchestrator.Document
	for _, d := range m {
		want = append(want, d)
	}
	slices.SortFunc(want, func(x, y orchestrator.Document) int { return cmp.Compare(x.Key, y.Key) })
	s.same(s.list(orchestrator.DocumentQuery{Kind: "job"}), want)
}

// RunSharedDocuments runs the part of the suite of documents that needs two nodes on one database: the stores also
// implement [orchestrator.Documents]. open returns fresh ones each time.
func RunSharedDocuments(t *testing.T, open func(t *testing.T) Nodes) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, nodes Nodes, docs func(i int) orchestrator.Documents)
	}{
		{"NodesSeeEachOthersDocuments", testSharedDocuments},
		{"OneOfManyCreatorsOnTwoNodesWins", func(t *testing.T, _ Nodes, docs func(i int) orchestrator.Documents) {
			creators(t, docs)
		}},
		{"CountersOnTwoNodesLoseNothing", func(t *testing.T, _ Nodes, docs func(i int) orchestrator.Documents) {
			counter(t, docs)
		}},
		{"FencedNodeChangesNoDocument", testFencedDocuments},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			nodes := open(t)
			defer nodes.Close()
			test.run(t, nodes, func(i int) orchestrator.Documents { return nodes.Node(i % 2).(orchestrator.Documents) })
		})
	}
}

func testSharedDocuments(t *testing.T, nodes Nodes, docs func(i int) orchestrator.Documents) {
	for version := uint64(1); version <= 6; version++ {
		d := document("key", "a", version, fmt.Sprint("v", version))
		if err := docs(int(version)).PutDocument(t.Context(), d); err != nil {
			t.Fatalf("put version %d: %v", version, err)
		}
		if err := docs(int(version)+1).PutDocument(t.Context(), d); !errors.Is(err, orchestrator.ErrConflict) {
			t.Fatalf("put version %d on the other node: %v", version, err)
		}
		got, err := docs(int(version)+1).GetDocument(t.Context(), "key", "a")
		if err != nil || got.Version != version || string(got.Value) != string(d.Value) {
			t.Fatalf("the other node has %+v, %v", got, err)
		}
	}
	nodes.Crash(t, 0)
	if err := docs(1).DeleteDocument(t.Context(), "key", "a", 6); err != nil {
		t.Fatal(err)
	}
	if _, err := docs(0).GetDocument(t.Context(), "key", "a"); !errors.Is(err, orchestrator.ErrNoDocument) {
		t.Fatalf("get: %v", err)
	}
}

func testFencedDocuments(t *testing.T, nodes Nodes, docs func(i int) orchestrator.Documents) {
	if err := docs(0).PutDocument(t.Context(), document("key", "a", 1, "x")); err != nil {
		t.Fatal(err)
	}
	nodes.Fence(t, 0)
	var wg sync.WaitGroup // each may wait for a while whether the node joins again
	for name, change := range map[string]func() error{
		"create": func() error { return docs(0).PutDocument(t.Context(), document("key", "b", 1, "y")) },
		"change": func() error { return docs(0).PutDocument(t.Context(), document("key", "a", 2, "y")) },
		"delete": func() error { return docs(0).DeleteDocument(t.Context(), "key", "a", 0) },
	} {
		wg.Go(func() {
			if err := change(); !errors.Is(err, orchestrator.ErrNotMember) {
				t.Errorf("%s: got %v, want %v", name, err, orchestrator.ErrNotMember)
			}
		})
	}
	wg.Wait()
	all, err := docs(1).ListDocuments(t.Context(), orchestrator.DocumentQuery{Kind: "key"})
	if err != nil || len(all) != 1 || string(all[0].Value) != "x" {
		t.Fatalf("%v, %v", all, err)
	}
	if got, err := docs(0).GetDocument(t.Context(), "key", "a"); err != nil || got.Version != 1 {
		t.Errorf("a dead node reads %v, %v", got, err)
	}
	if err := docs(1).PutDocument(t.Context(), document("key", "a", 2, "y")); err != nil {
		t.Fatal(err)
	}
	nodes.Crash(t, 0) // it comes back as a member
	if err := docs(0).PutDocument(t.Context(), document("key", "a", 3, "z")); err != nil {
		t.Fatal(err)
	}
}
