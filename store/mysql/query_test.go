package mysql

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	tidb "github.com/pingcap/tidb/pkg/parser"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver"

	"github.com/concord-tx/concord/migrations"
)

// sqlWord begins a statement.
var sqlWord = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|SHOW|SET|REPLACE|CREATE|ALTER|DROP|WITH)\b`)

// multis lists the statements with a varying number of rows. TestQueriesParse checks that none is missing.
func multis() map[string]interface{ text(n int) string } {
	return map[string]interface{ text(n int) string }{
		"selectGlobals": selectGlobals, "selectEnded": selectEnded, "selectLocks": selectLocks,
		"selectPacks": selectPacks, "selectHolders": selectHolders, "insertLive": insertLive, "updateLive": updateLive,
		"deleteLive": deleteLive, "insertFinished": insertFinished, "putPart": putPart, "insertLock": insertLock,
		"deleteLock": deleteLock, "insertOutbox": insertOutbox, "updateOutbox": updateOutbox, "lockOutbox": lockOutbox,
		"deleteOutbox": deleteOutbox, "insertPack": insertPack,
		"updateHeld": updateHeld, "countHeld": countHeld, "selectLive": selectLive, "selectFinished": selectFinished,
		"selectParts": selectParts, "claimDue": claimDue, "selectClaimed": selectClaimed, "holdLive": holdLive,
		"freeClaims": freeClaims, "findLocks": findLocks,
		"findHolders": findHolders, "selectGlimpses": selectGlimpses, "claimUnread": claimUnread,
		"readClaimed": readClaimed, "deleteFinished": deleteFinished, "deleteParts": deleteParts,
		"selectDocuments": selectDocuments, "insertDocument": insertDocument, "updateDocument": updateDocument,
		"deleteDocument": deleteDocument, "readListed": readListed,
	}
}

// forbidden is what TiDB, an old MariaDB or a new MySQL does not have, or only pretends to.
var forbidden = regexp.MustCompile(`(?i)\bSKIP LOCKED\b|\bFOR SHARE\b|\bLOCK IN SHARE\b|\bRETURNING\b|` +
	`\bFOREIGN KEY\b|\bTRIGGER\b|\bNOWAIT\b|\bREAD ONLY\b|\bWITH RECURSIVE\b|\b(SHA1?|MD5|PASSWORD)\(`)

// TestQueriesParse parses every statement of this package with TiDB's parser: those that are constants, found in the
// source, and those with a varying number of rows.
func TestQueriesParse(t *testing.T) {
	t.Parallel()
	p := tidb.New()
	check := func(name, text string) {
		t.Helper()
		if _, _, err := p.Parse(text, "", ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if found := forbidden.FindString(text); found != "" {
			t.Errorf("%s uses %s", name, found)
		}
	}
	constants, varying := statementsInSource(t)
	if len(constants) < 30 {
		t.Errorf("only %d constant statements were found", len(constants))
	}
	for name, text := range constants {
		check(name, text)
	}
	known := multis()
	for _, name := range varying {
		if known[name] == nil {
			t.Errorf("%s is missing in multis", name)
		}
	}
	if len(varying) != len(known) {
		t.Errorf("%d statements with rows in the source, %d in multis", len(varying), len(known))
	}
	for name, m := range known {
		for _, n := range []int{1, 2, rowsMax} {
			check(name, m.text(n))
		}
	}
	check("isolation", setIsolation)
	for name, value := range sessionVariables() {
		check(name, "SET "+name+" = "+value)
	}
}

// statementsInSource finds the constants that are statements, and the names of the variables that are multis.
func statementsInSource(t *testing.T) (constants map[string]string, varying []string) {
	t.Helper()
	constants = map[string]string{}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, value := range spec.Values {
				switch x := value.(type) {
				case *ast.BasicLit:
					if text, err := strconv.Unquote(x.Value); err == nil && sqlWord.MatchString(text) {
						constants[spec.Names[i].Name] = text
					}
				case *ast.CompositeLit:
					if id, ok := x.Type.(*ast.Ident); ok && (id.Name == "multi" || id.Name == "peekQuery") {
						varying = append(varying, spec.Names[i].Name)
					}
				}
			}
			return true
		})
	}
	return constants, varying
}

// TestNoStatementIsBuiltElsewhere looks for SQL in calls: every statement is a constant with a name.
func TestNoStatementIsBuiltElsewhere(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, arg := range call.Args {
				lit, ok := arg.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					continue
				}
				if text, err := strconv.Unquote(lit.Value); err == nil && sqlWord.MatchString(text) {
					t.Errorf("%s: %q is a statement without a name", file.Name(), text)
				}
			}
			return true
		})
	}
}

func TestMigrationsParse(t *testing.T) {
	t.Parallel()
	files, err := migrations.MySQL()
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	p := tidb.New()
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "-- +goose Up") || strings.Contains(string(text), "-- +goose Down") {
			t.Errorf("%s is not forward only", name)
		}
		nodes, _, err := p.Parse(string(text), "", "")
		if err != nil || len(nodes) == 0 {
			t.Errorf("%s: %d statements, %v", name, len(nodes), err)
		}
		if found := forbidden.FindString(string(text)); found != "" {
			t.Errorf("%s uses %s", name, found)
		}
		idempotent := regexp.MustCompile(`(?i)^\s*(CREATE TABLE IF NOT EXISTS|INSERT IGNORE)`)
		for _, n := range nodes {
			if s := strings.TrimSpace(withoutComments(n.Text())); !idempotent.MatchString(s) {
				t.Errorf("%s: %.60q may not be run twice", name, s)
			}
		}
	}
}

func withoutComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}
