package explore

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTheConsoleKnowsAllSentencesOfAReport: it says them in other languages, by a pattern of what may come.
func TestTheConsoleKnowsAllSentencesOfAReport(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../web/console/src/saga/lookedAt.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, source, _ := strings.Cut(string(text), "new RegExp(")
	source, rest, found := strings.Cut(source, "\n)\n")
	pattern := ""
	for _, piece := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(source, -1) {
		pattern += strings.ReplaceAll(piece[1], `\\`, `\`)
	}
	if !found || pattern == "" {
		t.Fatal("there is no pattern in lookedAt.ts")
	}
	sentence := regexp.MustCompile(pattern)
	group := func(part []string, name string) string { return part[sentence.SubexpIndex(name)] }
	for _, cycles := range []bool{false, true} {
		for troubles := -1; troubles <= troublesMax; troubles++ {
			for _, all := range []bool{false, true} {
				said := (&Report{Troubles: troubles, Cycles: cycles, all: all}).Part()
				if !all && troubles < 0 {
					if !strings.Contains(rest, "'"+said+"'") {
						t.Errorf("lookedAt.ts does not know %q", said)
					}
					continue
				}
				part := sentence.FindStringSubmatch(said)
				switch {
				case part == nil:
					t.Errorf("lookedAt.ts does not know %q", said)
				case cycles != (group(part, "rounds") == strconv.Itoa(Rounds)),
					all != (group(part, "what") == ""),
					!all && troubles > 1 != (group(part, "most") == strconv.Itoa(troubles)):
					t.Errorf("lookedAt.ts takes %q for %q", said, part)
				}
			}
		}
	}
}
