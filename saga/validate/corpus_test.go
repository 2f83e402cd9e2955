package validate

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
)

func documents(t testing.TB, pattern string, least int) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < least {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	return files
}

// published looks sagas up among the examples and the sound ones.
func published(t testing.TB) func(string, int) (*definition.Definition, bool) {
	t.Helper()
	all := map[string]*definition.Definition{}
	for _, pattern := range []string{"testdata/sound/*.yaml", "../../examples/sagas/*.yaml"} {
		for _, file := range documents(t, pattern, 5) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d, _ := definition.Parse(text); d != nil {
				all[d.Name] = d
			}
		}
	}
	return func(name string, version int) (*definition.Definition, bool) {
		d, ok := all[name]
		return d, ok && version <= 3
	}
}

func TestSoundDefinitionsHaveNoFindings(t *testing.T) {
	t.Parallel()
	o := Options{Sagas: published(t)}
	files := append(documents(t, "testdata/sound/*.yaml", 12), documents(t, "../../examples/sagas/*.yaml", 5)...)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, findings := Document(text, o)
		for _, f := range findings {
			if f.Severity != definition.SeverityHint {
				t.Errorf("%s:%d: %s: %s (%s)", file, f.Line, f.Rule, f.Text, f.Advice)
			}
		}
	}
}

// notOurs refuses one topic.
func notOurs(name string) error {
	if name == "ours" {
		return errors.New("it is ours")
	}
	return nil
}

// notClosed refuses one host.
func notClosed(url string) error {
	if url == "https://closed.example:8443/" {
		return errors.New("it is closed")
	}
	return nil
}

// wanted reads "# want: rule" at the end of a line, or "# want+1: rule" for the line below.
var wanted = regexp.MustCompile(`# want(\+\d+)?: ([a-z-]+(?:, [a-z-]+)*)`)

func TestBrokenDefinitionsAreFound(t *testing.T) {
	t.Parallel()
	o := Options{Sagas: published(t), Topic: notOurs, Target: notClosed}
	proven := map[definition.Rule]bool{}
	for _, file := range documents(t, "testdata/broken/*.yaml", 40) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for n, line := range strings.Split(string(text), "\n") {
			if m := wanted.FindStringSubmatch(line); m != nil {
				more, _ := strconv.Atoi(strings.TrimPrefix(m[1], "+"))
				for rule := range strings.SplitSeq(m[2], ", ") {
					want = append(want, strconv.Itoa(n+1+more)+" "+rule)
					proven[definition.Rule(rule)] = true
				}
			}
		}
		var got []string
		_, findings := Document(text, o)
		for _, f := range findings {
			got = append(got, strconv.Itoa(f.Line)+" "+string(f.Rule))
			if f.Text == "" || f.Advice == "" || f.Severity == 0 {
				t.Errorf("%s: an incomplete finding: %+v", file, f)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if got = slices.Compact(got); !slices.Equal(got, slices.Compact(want)) {
			t.Errorf("%s: wants %q, has %q\n%+v", file, want, got, findings)
		}
	}
	for _, r := range Rules() {
		if !proven[r.Rule] {
			t.Errorf("no broken definition proves the rule %s", r.Rule)
		}
	}
}
