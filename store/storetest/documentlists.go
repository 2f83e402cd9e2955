package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
)

func testDocumentLists(_ *testing.T, s *shelf) {
	keys := []string{"\x00", "a", "a\x00", "ab", "ab1", "ab2", "a\xff", "a\xff\xff", "b", "\xff", "\xff\xff"}
	for _, kind := range []string{"j", "job", "job-x", "k"} {
		for _, key := range keys {
			s.put(document(kind, key, 1, kind))
		}
	}
	s.put(orchestrator.Document{Kind: "job", Key: "a!", Version: 1, ExpiresAt: 1})
	edges := append([]string{"", "\x00\x00", "aa", "ab\x00", "c", strings.Repeat("\xff", 200)}, keys...)
	for _, prefix := range edges {
		for _, after := range edges {
			for _, limit := range []int{0, 1, 3, 5000} {
				for _, newest := range []bool{false, true} {
					s.checkDocuments(keys, orchestrator.DocumentQuery{
						Kind: "job", Prefix: prefix, After: after, Newest: newest, Limit: limit,
					})
				}
			}
		}
	}
	if got := s.list(orchestrator.DocumentQuery{Kind: "jo"}); len(got) != 0 {
		s.t.Fatalf("of another kind: %q", keysOf(got))
	}
}

// checkDocuments compares a list with what the keys, which are in order, make of it.
func (s *shelf) checkDocuments(keys []string, q orchestrator.DocumentQuery) {
	s.t.Helper()
	var want []string
	for _, key := range keys {
		if strings.HasPrefix(key, q.Prefix) && (q.After == "" || (key > q.After) != q.Newest && key != q.After) {
			want = append(want, key)
		}
	}
	if q.Newest {
		slices.Reverse(want)
	}
	if q.Limit > 0 && len(want) > q.Limit {
		want = want[:q.Limit]
	}
	if got := keysOf(s.list(q)); !slices.Equal(got, want) {
		s.t.Fatalf("%+v:\ngot  %q\nwant %q", q, got, want)
	}
}

func testDocumentMany(t *testing.T, s *shelf) {
	const n = 10_000
	fill(t, s.docs(), "entry", n, nil)
	for _, newest := range []bool{false, true} {
		all, pages := s.pages(orchestrator.DocumentQuery{Kind: "entry", Newest: newest, Limit: orchestrator.PageItemsMax})
		if len(all) != n || pages != n/orchestrator.PageItemsMax {
			t.Fatalf("%d documents on %d pages", len(all), pages)
		}
		if newest {
			slices.Reverse(all)
		}
		for i, d := range all {
			if d.Key != fmt.Sprintf("%06d", i) || string(d.Value) != fmt.Sprint("value ", i) || d.Version != 1 {
				t.Fatalf("document %d is %q %q", i, d.Key, d.Value)
			}
		}
	}
	if got := s.list(orchestrator.DocumentQuery{Kind: "entry", Prefix: "00999"}); len(got) != 10 {
		t.Fatalf("with a prefix: %q", keysOf(got))
	}
	if got := s.list(orchestrator.DocumentQuery{Kind: "entry"}); len(got) != orchestrator.PageItemsDefault {
		t.Fatalf("%d documents on a page of the default size", len(got))
	}
}
