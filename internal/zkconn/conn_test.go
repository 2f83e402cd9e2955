package zkconn

import (
	"slices"
	"testing"
)

func TestPauseOnlyWhenAllServersFailed(t *testing.T) {
	t.Parallel()
	h := &Hosts{}
	if err := h.Init([]string{"a:1", "b:1", "c:1"}); err != nil {
		t.Fatal(err)
	}
	var pauses []int
	seen := map[string]int{}
	for i := range 7 {
		s, pause := h.Next()
		seen[s]++
		if pause {
			pauses = append(pauses, i)
		}
	}
	if !slices.Equal(pauses, []int{3, 6}) || len(seen) != 3 {
		t.Errorf("pauses before attempts %v, servers %v", pauses, seen)
	}
	h.Connected()
	if _, pause := h.Next(); pause {
		t.Error("a pause right after a success")
	}
}
