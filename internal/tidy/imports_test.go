package tidy

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// edges says what the packages of a directory may import of this module, besides what is below that directory.
// txn <- orchestrator <- adapters <- cmd; the adapters never import each other, save web -> saga.
func edges() []struct {
	dir     string
	imports []string
} {
	adapter := []string{"orchestrator", "orchestrator/txn"}
	type edge = struct {
		dir     string
		imports []string
	}
	return []edge{
		{"orchestrator/txn", nil},
		{"orchestrator", []string{"orchestrator/txn"}},
		{"saga/limits", nil},
		{"saga/definition", []string{"saga/limits"}},
		{"saga/expressions", []string{"saga/definition", "saga/limits"}},
		{"saga/validate", []string{"saga/definition", "saga/expressions", "saga/limits"}},
		{"saga/statelang", []string{"saga/limits"}},
		{"saga/machine", []string{
			"orchestrator/txn", "saga/definition", "saga/explore", "saga/limits", "saga/statelang", "saga/statelang/spel",
		}},
		{"saga", adapter},
		{"tc/seata", nil},
		{"tc", append([]string{"internal/gettylog"}, adapter...)},
		{"callback", adapter},
		{"mq", append([]string{"internal/deflate"}, adapter...)},
		{"store", append([]string{"migrations", "internal/deflate"}, adapter...)},
		{"registry", append([]string{"internal/zkconn"}, adapter...)},
		{"relay", adapter},
		{"tasks", adapter},
		{"telemetry", adapter},
		{"audit", adapter},
		{"web/playground", []string{"tc/seata"}}, // it has an application that speaks Seata's protocol
		{"web", append([]string{"saga"}, adapter...)},
		{"client/clienttest", []string{
			"client", "internal/config", "migrations", "mq", "mq/embedded", "orchestrator", "orchestrator/txn",
			"store/pebble", "tc", "tc/seata",
		}}, // it runs a coordinator; only tests import it, see TestOnlyTestsImportTheTestServers
		{"client", []string{"tc/seata", "saga/definition", "migrations", "internal/gettylog", "internal/zkconn"}},
		{"internal/gettylog", nil},
		{"internal/zkconn", nil},
		{"internal/config", adapter},
		{"internal/deflate", nil},
		{"internal/tidy", nil},
		{"migrations", nil},
	}
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	check(t, "imports", func(f *findings) {
		for _, s := range sources(t) {
			if s.test {
				continue
			}
			for _, path := range s.imports() {
				target, ours := strings.CutPrefix(path, module+"/")
				if ours && !mayImport(s.dir, target) {
					f.add(s.path, s.path+" "+target, "%s may not import %s; see docs/ARCHITECTURE.md, \"Rooms\"", s.dir, target)
				}
			}
		}
	})
}

func TestOnlyTestsImportTheTestServers(t *testing.T) {
	t.Parallel()
	check(t, "test servers", func(f *findings) {
		for _, s := range sources(t) {
			if s.test || s.dir == "client/clienttest" {
				continue
			}
			if slices.Contains(s.imports(), module+"/client/clienttest") {
				f.add(s.path, s.path, "only tests import client/clienttest")
			}
		}
	})
}

func mayImport(dir, target string) bool {
	if within(target, "cmd") {
		return false
	}
	for _, e := range edges() { // the first that matches is the most special
		if within(dir, e.dir) {
			own := within(target, e.dir) && e.dir != "orchestrator" && e.dir != "tc/seata"
			return own || slices.Contains(e.imports, target) || slices.Contains(e.imports, "saga") && within(target, "saga")
		}
	}
	return true // cmd, sim, bench, conformance, examples
}

// impure lists what the core must not even import, by the first words of the import path.
var impure = regexp.MustCompile(`^(context|os|net|syscall|io|log|math/rand|crypto|sync|database|runtime)(/|$)`)

// pureToo are packages of ours that the planner of sagas may import: they do no I/O either.
var pureToo = []string{"orchestrator/txn", "saga/definition", "saga/expressions", "saga/limits"}

func TestTheCoreIsPure(t *testing.T) {
	t.Parallel()
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}
	check(t, "pure core", func(f *findings) {
		for _, s := range sources(t) {
			if s.test || !s.under("orchestrator/txn", "saga/plan") {
				continue
			}
			for _, path := range s.imports() {
				own, ours := strings.CutPrefix(path, module+"/")
				if ours && s.under("saga/plan") && slices.Contains(pureToo, own) {
					continue
				}
				if impure.MatchString(path) || strings.Contains(path, ".") {
					f.add(s.path, s.path, "the core does not import %s", path)
				}
			}
			ast.Inspect(s.ast, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					f.add(s.at(n.Pos()), s.path, "the core starts no goroutine")
				case *ast.ChanType, *ast.SelectStmt:
					f.add(s.at(n.Pos()), s.path, "the core has no channel")
				case *ast.SelectorExpr:
					if isName(n.X, "time") && slices.Contains(clock, n.Sel.Name) {
						f.add(s.at(n.Pos()), s.path, "time.%s: time is an argument in the core", n.Sel.Name)
					}
				}
				return true
			})
		}
	})
}

func TestTheRuntimeStartsGoroutinesOnlyInRun(t *testing.T) {
	t.Parallel()
	check(t, "go statement", func(f *findings) {
		for _, s := range sources(t) {
			if s.test || s.dir != "orchestrator" {
				continue
			}
			for _, decl := range s.ast.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				ast.Inspect(fn, func(n ast.Node) bool {
					if starts(n) {
						f.add(s.at(n.Pos()), s.dir+" "+fn.Name.Name, "the runtime starts goroutines only in Run")
					}
					return true
				})
			}
		}
	})
}

// starts reports whether a node starts a goroutine: a go statement, or x.Go(func…).
func starts(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return true
	case *ast.CallExpr:
		sel, ok := n.Fun.(*ast.SelectorExpr)
		return ok && (sel.Sel.Name == "Go" || isName(sel.X, "time") && sel.Sel.Name == "AfterFunc")
	}
	return false
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func TestPackagesAreNouns(t *testing.T) {
	t.Parallel()
	banned := regexp.MustCompile(`^(utils?|commons?|helpers?|types?|misc|base|shared)$`)
	check(t, "package name", func(f *findings) {
		for _, s := range sources(t) {
			if name := strings.TrimSuffix(s.ast.Name.Name, "_test"); banned.MatchString(name) {
				f.add(s.path, s.path, "package %s says nothing about what is in it", name)
			}
		}
	})
}
