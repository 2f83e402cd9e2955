//go:build parts

package xa_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/xa"
	"github.com/concord-tx/concord/tc/seata"
)

func TestForgottenBranchesAreFinishedAsTheirTransactionWas(t *testing.T) {
	t.Parallel()
	for status, want := range map[seata.GlobalStatus]struct{ balance, prepared int }{
		seata.GlobalCommitted:         {90, 0},
		seata.GlobalRollbacked:        {100, 0},
		seata.GlobalTimeoutRollbacked: {100, 0},
		seata.GlobalFinished:          {100, 1}, // nobody knows
		seata.GlobalCommitRetrying:    {100, 1}, // the coordinator will ask
		seata.GlobalBegin:             {100, 1},
	} {
		t.Run(status.String(), func(t *testing.T) {
			t.Parallel()
			s := prepare(t, xa.Options{})
			s.take(t)
			_ = s.db.Close()
			s.notes.say(s.xid, status)
			asked := s.notes.all(s.xid)[0]
			again := s.open(t, xa.Options{RecoverEvery: 20 * time.Millisecond, HoldMax: 5 * time.Millisecond})
			if want.prepared == 0 {
				eventually(t, "the branch is finished", func() bool { return s.prepared(t) == 0 })
			}
			_ = again.Close() // waits for the look that is under way
			s.expect(t, "at the end", want.balance)
			if n := s.prepared(t); n != want.prepared {
				t.Errorf("%d are prepared, want %d", n, want.prepared)
			}
			if want.prepared > 0 {
				finish(t, s, asked)
			}
		})
	}
}

// finish rolls a branch back that a test leaves, so that others do not see it.
func finish(t *testing.T, s *setup, b client.Branch) {
	t.Helper()
	must(t, s.bare, fmt.Sprintf("XA ROLLBACK X'%x',X'%x',9752", s.xid, fmt.Sprintf("-%d", b.ID)))
}
