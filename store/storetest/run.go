package storetest

import (
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// Harness is one store under test.
type Harness interface {
	// Store returns the store as it is open now.
	Store() orchestrator.Store
	// Crash ends the store as a power failure would, and opens what is left.
	Crash(t T)
	// Reopen closes the store and opens it again.
	Reopen(t T)
	// Advance moves the store's clock, by which retention goes, and returns when the store has removed what is past
	// retention, or some seconds have passed.
	Advance(d time.Duration)
	// Close ends the store. The harness is not used any more.
	Close()
}

// T is the part of a test that is needed here: a testing.T or a rapid.T.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// Retention is the retention that a harness opens its store with.
const Retention = time.Hour

// Run runs the suite. open returns a fresh, empty store each time.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c *scene)
	}{
		{"ChangesNeedTheNextVersion", testVersions},
		{"OneOfManyRivalsWins", testRivals},
		{"EndedIsNeverBegunAgain", testEndedStays},
		{"LoadSeesWhatWasGiven", testLoadPending},
		{"LoadReturnsWhatWasStored", testRoundTrip},
		{"ManyBranchesKeepTheirChanges", testManyBranches},
		{"EachChangeSucceedsAlone", testGather},
		{"LazyChangesBecomeDurableInOrder", testLazy},
		{"CallbackComesAfterApply", testCallback},
		{"RowsExcludeEachOther", testLockExclusion},
		{"TablesCompareWithoutCase", testLockFolding},
		{"SeparatorsDoNotConfuseRows", testLockSeparators},
		{"LocksAreAllOrNothing", testLockAllOrNothing},
		{"OwnRowsAreCounted", testLockCounting},
		{"CommitDecisionFreesRows", testLockCommit},
		{"RollbackFreesRowsPerBranch", testLockRollback},
		{"FreedRowsGoToLaterChanges", testLockHandOver},
		{"VeryManyRows", testLockMany},
		{"LocksAreListed", testLockList},
		{"DueAndClaims", testDue},
		{"DueFollowsChanges", testDueChanges},
		{"ListsEqualTheModel", testList},
		{"CursorsAreChecked", testCursor},
		{"CountsAddUp", testCounts},
		{"TheOldestIsKnown", testOldest},
		{"IDsAreNeverReserved2x", testIDs},
		{"CrashKeepsWhatWasAnswered", testCrash},
		{"ReopenKeepsEverything", testReopen},
		{"RetentionRemovesTheOld", testRetention},
		{"RandomChangesEqualTheModel", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.run == nil {
				testModel(t, open)
				return
			}
			h := open(t)
			defer h.Close()
			test.run(t, newScene(t, h))
		})
	}
}
