package txn

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTurnsAgreeWithWhatIsSent(t *testing.T) {
	t.Parallel()
	branch := func(id int64, k Kind, resource string) *Branch {
		return &Branch{ID: id, Kind: k, State: Registered, Resource: resource}
	}
	tests := map[string]struct {
		status Status
		all    []*Branch
		want   []int64
	}{
		"undo in reverse per resource": {RollingBack,
			[]*Branch{branch(1, AT, "a"), branch(2, AT, "b"), branch(3, AT, "a"), branch(4, AT, "a")}, []int64{4, 0, 4, 0}},
		"commits of AT at once": {Committing, []*Branch{branch(1, AT, "a"), branch(2, AT, "a")}, []int64{0, 0}},
		"TCC one after the other": {Committing,
			[]*Branch{branch(1, TCC, "x"), branch(2, Topic, "t"), branch(3, XA, "y"), branch(4, HTTP, "h")},
			[]int64{0, 0, 1, 0}},
		"TCC in reverse": {RollingBack, []*Branch{branch(1, TCC, "x"), branch(2, TCC, "y")}, []int64{2, 0}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &Global{Status: tt.status, Branches: tt.all}
			if diff := cmp.Diff(tt.want, g.Turns()); diff != "" {
				t.Error(diff)
			}
			eff, err := DefaultRules().Apply(g, Wake{}, 1000)
			if err != nil {
				t.Fatal(err)
			}
			sent := map[int64]bool{}
			for _, cmd := range eff.Commands {
				sent[cmd.BranchID] = true
			}
			for i, b := range g.Branches {
				if sent[b.ID] != (tt.want[i] == 0) {
					t.Errorf("branch %d is sent: %t, waits for %d", b.ID, sent[b.ID], tt.want[i])
				}
			}
		})
	}
}
