package explore

import "testing"

func TestAnExplorationCanBeCut(t *testing.T) {
	t.Parallel()
	whole := explore(t, sound, Options{})
	for _, after := range []int{0, 5} {
		asked := 0
		r := explore(t, sound, Options{Stop: func() bool { asked++; return asked > after }})
		if r.Exhaustive || r.Paths < 1 || r.Paths > after+1 || r.States >= whole.States {
			t.Errorf("after %d: %+v", after, r)
		}
	}
	if r := explore(t, sound, Options{Stop: func() bool { return false }}); r.Paths != whole.Paths || !r.Exhaustive {
		t.Errorf("%+v", r)
	}
}
