package audit_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/concord-tx/concord/audit"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestWhatIsRightIsNotViolated(t *testing.T) {
	t.Parallel()
	for _, atRest := range []bool{true, false} {
		w := setup(t)
		w.e.AtRest = atRest
		r := audit.Judge(w.finish())
		for part, evidence := range found(r) {
			t.Errorf("%s: %v", part, evidence)
		}
		for _, result := range r.Results {
			if result.Verdict != audit.Holds && atRest {
				t.Errorf("%s: %s", result.Name, result.Verdict)
			}
		}
		if !r.Clean() || len(r.Unchecked()) > 0 && atRest {
			t.Errorf("clean %t, unchecked %v", r.Clean(), r.Unchecked())
		}
	}
}

// TestEveryPartCanFail has, for each part of each invariant, evidence that violates it.
func TestEveryPartCanFail(t *testing.T) {
	t.Parallel()
	cases := violations()
	for _, inv := range audit.Invariants() {
		for _, part := range inv.Parts {
			spoil, known := cases[part.Name]
			if !known {
				t.Errorf("there is no violation of %s", part.Name)
				continue
			}
			delete(cases, part.Name)
			t.Run(strings.ReplaceAll(part.Name, "/", "-"), func(t *testing.T) {
				t.Parallel()
				w := setup(t)
				spoil(w)
				r := audit.Judge(w.finish())
				all := found(r)
				if len(all[part.Name]) == 0 {
					t.Fatalf("nothing was found by %s; others found %v", part.Name, all)
				}
				var text bytes.Buffer
				if err := r.Write(&text); err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{inv.Name + " is violated. " + inv.Text, all[part.Name][0], "violations were found"} {
					if !strings.Contains(text.String(), want) {
						t.Errorf("the report does not say %q:\n%s", want, text.String())
					}
				}
			})
		}
	}
	for name := range cases {
		t.Errorf("%s is no part of an invariant", name)
	}
}

// TestWhatCannotBeCheckedIsSaid takes one source after the other away.
func TestWhatCannotBeCheckedIsSaid(t *testing.T) {
	t.Parallel()
	for bit := range 14 {
		w := setup(t)
		w.e.Have &^= 1 << bit
		missing := audit.Source(1 << bit)
		r := audit.Judge(w.finish())
		said := false
		for _, result := range r.Results {
			for i, part := range result.Parts {
				needs := partsOf(t, result.Name)[i].Needs
				if (part.NotRun != "") != (needs&missing != 0) {
					t.Errorf("without %v: %s says %q", missing.Names(), part.Name, part.NotRun)
				}
				said = said || strings.Contains(part.NotRun, missing.Names()[0])
			}
		}
		if !said {
			t.Errorf("no part needs %v", missing.Names())
		}
	}
	empty := audit.Judge(audit.NewEvidence(audit.Settings{}))
	for _, result := range empty.Results {
		if result.Verdict != audit.NotCheckable {
			t.Errorf("without any input %s: %s", result.Name, result.Verdict)
		}
	}
}

func partsOf(t *testing.T, name string) []audit.Part {
	for _, inv := range audit.Invariants() {
		if inv.Name == name {
			return inv.Parts
		}
	}
	t.Fatal("no invariant ", name)
	return nil
}

// TestTheInvariantsOfTheListAreThere compares with the list that the project has promised to check.
func TestTheInvariantsOfTheListAreThere(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	for _, inv := range audit.Invariants() {
		if have[inv.Name] || inv.Text == "" || len(inv.Parts) == 0 {
			t.Errorf("%s is there twice, or says nothing", inv.Name)
		}
		have[inv.Name] = true
	}
	promised := "I1 I2 I3 I4 I5 I6 I7 I8 I11 I12 I15 I16 I17 I18 I25 I26 I27 I28 I29 I30 I31 I32"
	for _, name := range strings.Fields(promised) {
		if !have[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestARunningClusterIsGivenTime: what is unfinished but not past its time is no violation unless the cluster rests.
func TestARunningClusterIsGivenTime(t *testing.T) {
	t.Parallel()
	live := func(w *world) {
		w.globals[3] = run(t, 3, at(99_000, begin(3)), at(99_100, register(31, txn.AT, west, "account:9")))
		w.globals[4] = run(t, 4, at(99_000, begin(4)), at(99_100, register(41, txn.AT, west, "account:8")),
			at(99_500, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}))
		w.locks = append(w.locks, lock{txn.Row{Resource: west, Table: "account", PK: "9"}, 3, 31})
		w.e.Outbox = []audit.Pending{{ID: 4, Topic: "concord-commit", RecordedAt: 99_500}}
		w.calls = w.calls[:len(w.calls)-1]
		w.add(w.find(audit.OpBegin, idA)[0], func(c *audit.Call) { c.XID = xid(3).String() }) // its register is still open
	}
	w := setup(t)
	live(w)
	w.e.AtRest = false
	if r := audit.Judge(w.finish()); !r.Clean() {
		t.Errorf("a running cluster: %v", found(r))
	}
	w = setup(t)
	live(w)
	all := found(audit.Judge(w.finish()))
	for _, part := range []string{"I18/branches", "I31/records", "I16/rest", "I27/outbox", "I27/decided"} {
		if len(all[part]) == 0 {
			t.Errorf("a cluster at rest: %s found nothing; others found %v", part, all)
		}
	}
}
