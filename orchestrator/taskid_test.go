package orchestrator

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestIDsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, id := range []TaskID{{1, 1, txn.Forward, 1}, {1 << 62, 1 << 40, txn.Rollback, 1<<32 - 1}} {
		if got, ok := ParseTaskID(id.String()); !ok || got != id {
			t.Errorf("%+v became %+v", id, got)
		}
	}
	for _, id := range []TaskID{{0, 1, txn.Forward, 1}, {1, 1, txn.Commit, 1}, {1, 1, txn.Forward, 0}, {1, 1, 9, 1}} {
		if got, ok := ParseTaskID(id.String()); ok {
			t.Errorf("%+v was taken as %+v", id, got)
		}
	}
}

func FuzzParseTaskID(f *testing.F) {
	f.Add(TaskID{7, 3, txn.Forward, 2}.String())
	f.Add("AQMOBgI=")
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := ParseTaskID(text); ok && id.String() != text {
			t.Errorf("%q was read as %+v, which is %q", text, id, id.String())
		}
	})
}
