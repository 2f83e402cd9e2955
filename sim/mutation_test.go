package sim

import (
	"maps"
	"slices"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// mutationSeeds is how many seeds a defect may take to be found.
const mutationSeeds = 400

// finders lists which checkers have to find each defect.
func finders() map[Mutation][]string {
	return map[Mutation][]string{
		EarlyAnswer:   {"I6"},
		TwoDecisions:  {"I2", "I25", "I26"},
		ForgetBranch:  {"I7"},
		EarlyRelease:  {"I15", "I19"},
		LeakLocks:     {"I16"},
		NoLocks:       {"I15", "I19"},
		PartialGrant:  {"I16", "I18"},
		ReuseIDs:      {"I11"},
		WrongCommand:  {"I1", "I2", "I4", "I5"},
		ExtraCommand:  {"I7"},
		OtherPayload:  {"I23"},
		NoFence:       {"I20", "I22"},
		WrongOrder:    {"I21"},
		StaleLoad:     {"I9", "I10"},
		Zombie:        {"I12"},
		NeverDue:      {"I31"},
		Miscount:      {"I36"},
		Forgetful:     {"I8", "I3"},
		SlowRelease:   {"Waits"},
		Reorder:       {"I9"},
		HastyCheck:    {"Messages"},
		CallSkipped:   {"Skips"},
		MuteNotices:   {"Notices"},
		IdleRelease:   {"Releases"},
		ForgetKeys:    {"Keys"},
		PartEnlist:    {"Enlisting"},
		DeafAfter:     {"RetryAfter"},
		Drowsy:        {"RetryAfter"},
		Hasty:         {"I24"},
		Tireless:      {"I24"},
		Renumber:      {"I24/order"},
		HastyUndo:     {"I21/steps"},
		HastyStep:     {"Steps"},
		LoseSeq:       {"Record", "I21/steps"},
		ForgetUndo:    {"I21/steps"},
		NoPivot:       {"Forward"},
		Twice:         {"Steps", "Replan"},
		WallClock:     {"Replan"},
		AlwaysDone:    {"Output"},
		LostIsRefused: {"Steps", "I21/steps"},
		Deaf:          {"Steps"},
		NoFencing:     {"I12"},
		FromMemory:    {"I28"},
		PartPack:      {"I26", "Packs"},
		EarlyClear:    {"I27"},
		AtOnce:        {"Refuse"},
		Overstay:      {"I12"},
		CachedReads:   {"I9", "I10"},
		Lonely:        {"I9", "I10"},
		DeafEnds:      {"Ends"},
		DeafRows:      {"Waits"},
		LocalCycles:   {"Cycles"},
		LocalClock:    {"Deadlines"},
		HastyLazy:     {"I25"},
	}
}

// sagaFinders lists which checkers have to find defects of everything in sagas that the coordinator runs.
func sagaFinders() map[Mutation][]string {
	return map[Mutation][]string{
		OtherPayload: {"I23"},
		NoFence:      {"I20", "I22", "Steps"},
		Hasty:        {"I24"},
		Tireless:     {"I24"},
		Renumber:     {"I24/order"},
	}
}

// TestCheckersFindDefects builds defects into the simulated parts, one at a time, and expects the matching checkers to
// find them.
func TestCheckersFindDefects(t *testing.T) {
	t.Parallel()
	found := finders()
	for mutation := NoMutation + 1; mutation < mutations; mutation++ {
		want := found[mutation]
		if len(want) == 0 {
			t.Errorf("nobody looks for %s", mutation)
		}
		t.Run(mutation.String(), func(t *testing.T) {
			t.Parallel()
			cfg := Config{Cluster: mutation.inCluster(), Sagas: mutation.inSagas(), Mutation: mutation}
			expectFound(t, cfg, want, func(*Result, int64) bool { return true })
		})
	}
}

// TestCheckersFindDefectsInSagas does the same with sagas that the coordinator runs itself. What is found in other
// transactions of the same world does not count.
func TestCheckersFindDefectsInSagas(t *testing.T) {
	t.Parallel()
	for mutation, want := range sagaFinders() {
		t.Run(mutation.String(), func(t *testing.T) {
			t.Parallel()
			expectFound(t, Config{Sagas: true, Mutation: mutation}, want, func(r *Result, id int64) bool {
				return slices.ContainsFunc(r.Logs.End.Records, func(g *txn.Global) bool {
					return g.XID.ID == id && g.Saga != nil
				})
			})
		})
	}
}

// TestCheckersFindHasteInClusters: there a coordinator is excused by what it may not know, but not by everything.
func TestCheckersFindHasteInClusters(t *testing.T) {
	t.Parallel()
	for _, mutation := range []Mutation{Hasty, Tireless} {
		t.Run(mutation.String(), func(t *testing.T) {
			t.Parallel()
			expectFound(t, Config{Cluster: true, Mutation: mutation}, []string{"I24"}, func(*Result, int64) bool {
				return true
			})
		})
	}
}

// expectFound runs seeds until each of some checkers has found something in a transaction that counts.
func expectFound(t *testing.T, cfg Config, want []string, counts func(r *Result, id int64) bool) {
	t.Helper()
	missing := map[string]bool{}
	for _, name := range want {
		missing[name] = true
	}
	for cfg.Seed = 1; cfg.Seed <= mutationSeeds && len(missing) > 0; cfg.Seed++ {
		r := Run(cfg)
		for _, v := range r.Violations {
			if missing[v.Invariant] && counts(r, v.ID) {
				t.Logf("seed %d: %s", cfg.Seed, v)
				delete(missing, v.Invariant)
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("%v found nothing in %d seeds", slices.Sorted(maps.Keys(missing)), mutationSeeds)
	}
}
