package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// A rule that finds nothing proves nothing, so the rules' own judgements are tested on small pieces of source.

func parse(t *testing.T, body string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+body, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestImportEdges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dir, target string
		want        bool
	}{
		{"orchestrator/txn", "orchestrator", false},
		{"orchestrator", "orchestrator/txn", true},
		{"orchestrator", "store/pebble", false},
		{"tc", "orchestrator/txn", true},
		{"tc", "tc/seata", true},
		{"tc", "web", false},
		{"tc/seata", "orchestrator/txn", false},
		{"web", "saga/definition", true},
		{"web", "tc", false},
		{"mq/embedded", "mq", true},
		{"mq/embedded", "store/pebble", false},
		{"store/pebble", "mq", false},
		{"client/tm", "tc/seata", true},
		{"client/tm", "orchestrator", false},
		{"cmd/concord", "store/pebble", true},
		{"bench", "cmd/concord", false},
	} {
		if got := mayImport(tt.dir, tt.target); got != tt.want {
			t.Errorf("%s imports %s: %t", tt.dir, tt.target, got)
		}
	}
}

func TestWhatCountsAsState(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{
		`var e = errors.New("x")`:                 true,
		`var p = regexp.MustCompile("x")`:         true,
		`var t = map[string]int{"a": 1}`:          true,
		`var t = func() int { return 1 }()`:       true,
		`var m sync.Mutex`:                        false,
		`var n = 5`:                               false,
		`var c = make(chan int)`:                  false,
		`var o = sync.OnceFunc(func() {})`:        false,
		`var registry = prometheus.NewRegistry()`: false,
	} {
		spec := parse(t, source).Decls[0].(*ast.GenDecl).Specs[0].(*ast.ValueSpec)
		if got := len(spec.Values) == 1 && immutable(spec.Values[0]); got != want {
			t.Errorf("%s: %t", source, got)
		}
	}
}

func TestWhatCountsAsATable(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{
		`func f(n int) string { switch n { case 1: return "a" }; return "" }`: true,
		`func f() T { return T{1, 2} }`:                                       true,
		`func f() { for { g() } }`:                                            false,
		`func f() { a(); b(); c() }`:                                          false,
	} {
		if got := isTable(parse(t, source).Decls[0].(*ast.FuncDecl).Body); got != want {
			t.Errorf("%s: %t", source, got)
		}
	}
}

func TestWhatStartsAGoroutine(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{
		`func f() { go g() }`:                   true,
		`func f() { group.Go(g) }`:              true,
		`func f() { time.AfterFunc(1, g) }`:     true,
		`func f() { g() }`:                      false,
		`func f() { defer g(); time.Since(t) }`: false,
	} {
		got := false
		ast.Inspect(parse(t, source), func(n ast.Node) bool {
			got = got || starts(n)
			return true
		})
		if got != want {
			t.Errorf("%s: %t", source, got)
		}
	}
}

func TestWhatIsAPlainMessage(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{
		`"store is open"`: true, `"Store is open"`: false, `"store is open."`: false, `""`: false,
		`fmt.Sprintf("x")`: false, `"a" + b`: false, `text`: false, `msg`: true,
	} {
		e, err := parser.ParseExpr(source)
		if err != nil {
			t.Fatal(err)
		}
		if got := plain(e); got != want {
			t.Errorf("%s: %t", source, got)
		}
	}
}

func TestWhatIsAHastyLook(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{
		`expect(await page.getByText('a', { exact: true }).count()).toBe(0)`:       true,
		"expect(\n  await rows\n    .count(),\n).toBe(2)":                          true,
		`expect((await alert.textContent()) ?? '').toContain('b')`:                 true,
		`expect(await button.getAttribute('aria-disabled')).toBe('true')`:          true,
		`expect(new URL(page.url()).searchParams.get('kind')).toBe('letter')`:      true,
		`await gone(page.getByText('a')); expect(told.length).toBe(2)`:             false,
		`expect((await seed.transaction(id)).status).toBe('Active')`:               false,
		`expect((await keys(page).focus()).name).toBe('Two')`:                      false,
		`await until('one', async () => (await rows.count()) === 1)`:               false,
		`expect(done).toBe(1); await until('two', async () => !(await x.count()))`: false,
	} {
		if got := len(hastyLooks(source)) > 0; got != want {
			t.Errorf("%s: %t", source, got)
		}
	}
}
