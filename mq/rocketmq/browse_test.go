package rocketmq

import "testing"

func TestPlacesAreReadBack(t *testing.T) {
	t.Parallel()
	p := Place{"concord-commit", "broker-a", 3, 42}
	if got, ok := ParsePlace(p.String()); !ok || got != p {
		t.Errorf("%v %t", got, ok)
	}
	for _, text := range []string{"", "a/b/c/d", "a/b/1", "a/b/-1/2", "a/b/1/-2", "/b/1/2", "a/b/1/2/3"} {
		if p, ok := ParsePlace(text); ok {
			t.Errorf("%q is read as %v", text, p)
		}
	}
}

func TestReadingBeginsAtThePlace(t *testing.T) {
	t.Parallel()
	order := []string{"commit", "rollback"}
	p := &Place{"rollback", "b", 2, 7}
	for _, tt := range []struct {
		q      queue
		offset int64
		over   bool
	}{
		{queue{"commit", "z", 9}, 0, true},
		{queue{"rollback", "a", 9}, 0, true},
		{queue{"rollback", "b", 1}, 0, true},
		{queue{"rollback", "b", 2}, 7, false},
		{queue{"rollback", "b", 3}, 0, false},
		{queue{"rollback", "c", 0}, 0, false},
	} {
		if offset, over := p.begin(tt.q, order); offset != tt.offset || over != tt.over {
			t.Errorf("%v: %d %t", tt.q, offset, over)
		}
	}
	if offset, over := (*Place)(nil).begin(queue{"commit", "a", 0}, order); offset != 0 || over {
		t.Errorf("%d %t", offset, over)
	}
}
