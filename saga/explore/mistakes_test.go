package explore_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/validate"
)

// TestMistakesOfPeopleAreFound checks definitions that were spoiled by hand, as people would. Each says by which rule
// it is found, or that the exploration finds it, or which words of the documentation say that it cannot be known.
func TestMistakesOfPeopleAreFound(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../../docs/SAGAS.md")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(string(manual)), " ")
	all, known, unknown := library{}, 0, 0
	for _, one := range strings.Split(string(text), "\n### ")[1:] {
		head, document, _ := strings.Cut(one, "\n")
		name, want, ok := strings.Cut(head, " => ")
		if !ok {
			t.Fatalf("%s: it does not say what is wanted", head)
		}
		def, findings := definition.Parse([]byte(document))
		if want == "a part" {
			all[def.Name] = def
			continue
		}
		findings = append(findings, validate.Check(def, validate.Options{Sagas: published(all)})...)
		explored := 0
		if !definition.Broken(findings) {
			told, err := explore.Run(def, all.resolve, explore.Options{StatesMax: states})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			explored = len(told.Failures)
		}
		switch words, cannot := strings.CutPrefix(want, "unknown: "); {
		case cannot:
			if unknown++; slices.ContainsFunc(findings, notHint) || explored > 0 {
				t.Errorf("%s: it is found, and documented as what cannot be: %+v", name, findings)
			}
			if !strings.Contains(said, words) {
				t.Errorf("%s: docs/SAGAS.md does not say %q", name, words)
			}
		case want == "explored":
			if known++; explored == 0 {
				t.Errorf("%s: the exploration does not find it", name)
			}
		default:
			if known++; !slices.ContainsFunc(findings, func(f definition.Finding) bool {
				return f.Rule == definition.Rule(want) && notHint(f)
			}) {
				t.Errorf("%s: wants %s, has %+v", name, want, findings)
			}
		}
	}
	if t.Logf("%d mistakes found, %d that cannot be known", known, unknown); known < 50 {
		t.Errorf("only %d mistakes", known)
	}
}
