package web

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTheTableOfRolesIsDocumented compares docs/SECURITY.md with the table of rules; paste what it prints.
func TestTheTableOfRolesIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "<!-- roles -->\n")
	table, _, found := strings.Cut(table, "<!-- end of roles -->")
	if !found {
		t.Fatal("docs/SECURITY.md has no table of roles")
	}
	table = strings.TrimSpace(table)
	all := rules()
	var b strings.Builder
	b.WriteString("| route | role | in the journal as |\n|---|---|---|\n")
	order := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		methodA, pathA, _ := strings.Cut(a, " ")
		methodB, pathB, _ := strings.Cut(b, " ")
		return strings.Compare(pathA+" "+methodA, pathB+" "+methodB)
	})
	for _, name := range order {
		r := all[name]
		action := r.action
		if action != "" {
			action = "`" + action + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", pathParameter.ReplaceAllString(name, "{$1}"), r.role, action)
	}
	if want := strings.TrimSpace(b.String()); table != want {
		t.Errorf("the table should be\n%s", want)
	}
}
