package limits

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// clock is what limits.go needs of the package time.
type clock struct{ set *token.FileSet }

func (c clock) Import(path string) (*types.Package, error) {
	const text = "package time; type Duration int64; const Hour Duration = 3_600_000_000_000"
	file, err := parser.ParseFile(c.set, path, text, 0)
	if err != nil {
		return nil, err
	}
	return (&types.Config{}).Check(path, c.set, []*ast.File{file}, nil)
}

// constants are those of limits.go.
func constants(t *testing.T) map[string]int64 {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "limits.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := (&types.Config{Importer: clock{set}}).Check("limits", set, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int64{}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok == token.IMPORT {
			continue
		}
		for _, spec := range group.Specs {
			v, ok := spec.(*ast.ValueSpec)
			if !ok || group.Tok != token.CONST || len(v.Names) != 1 {
				t.Fatalf("%s: there are only constants here, each by itself", set.Position(spec.Pos()))
			}
			name := v.Names[0].Name
			if !strings.HasPrefix(v.Doc.Text(), name+" ") {
				t.Errorf("%s: %s has no comment that begins with its name", set.Position(v.Pos()), name)
			}
			value, exact := constant.Int64Val(pkg.Scope().Lookup(name).(*types.Const).Val())
			if !exact {
				t.Errorf("%s is no whole number", name)
			}
			all[name] = value
		}
	}
	return all
}

// row is a limit in a table of the documentation: what, how much, where more is refused, and its constant.
var row = regexp.MustCompile("(?m)^\\| .+ \\| ([^|]+) \\| [^|]+ \\| `([A-Za-z]+)` \\|$")

// amount reads how much there may be, as people write it.
func amount(text string) (int64, error) {
	text, _, _ = strings.Cut(text, ";")
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(strings.ReplaceAll(number, ",", ""), 10, 64)
	units := map[string]int64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "day": 24 * 3600e9, "days": 24 * 3600e9}
	if err == nil && units[unit] == 0 {
		err = fmt.Errorf("there is no unit %q", unit)
	}
	return n * units[unit], err
}

// TestTheDocumentationHasEveryLimit, with the number that counts, and no other.
func TestTheDocumentationHasEveryLimit(t *testing.T) {
	t.Parallel()
	left := constants(t)
	for _, path := range []string{"../../docs/SAGAS.md", "../../docs/SAGAS-SEATA.md"} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, section, found := strings.Cut(string(page), "\n## Limits\n")
		section, _, _ = strings.Cut(section, "\n## ")
		rows := row.FindAllStringSubmatch(section, -1)
		if lines := strings.Count(section, "\n| "); !found || len(rows) != lines-1 { // the head is none
			t.Fatalf("%s: %d of the %d rows of its table of limits can be read", path, len(rows), lines-1)
		}
		for _, r := range rows {
			said, err := amount(r[1])
			is, known := left[r[2]]
			if err != nil || !known || said != is {
				t.Errorf("%s: %s is %s, which is %d, want %d; known and not said before: %v; %v",
					path, r[2], r[1], said, is, known, err)
			}
			delete(left, r[2])
		}
	}
	for name, is := range left {
		t.Errorf("no table of limits has %s, which is %d", name, is)
	}
}

// TestEachLimitHasATest that names it.
func TestEachLimitHasATest(t *testing.T) {
	t.Parallel()
	left := constants(t)
	for _, pattern := range []string{"../*/*_test.go", "../*/*/*_test.go", "../../web/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for name := range left {
				if regexp.MustCompile(`\blimits\.` + name + `\b`).Match(text) {
					delete(left, name)
				}
			}
		}
	}
	for name := range left {
		t.Errorf("no test has %s", name)
	}
}
