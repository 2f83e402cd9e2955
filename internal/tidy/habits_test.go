package tidy

import (
	"crypto/sha256"
	"encoding/hex"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

func TestTestsDoNotSleep(t *testing.T) {
	t.Parallel()
	check(t, "sleep", func(f *findings) {
		for _, s := range sources(t) {
			if !s.test {
				continue
			}
			ast.Inspect(s.ast, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && isName(sel.X, "time") && sel.Sel.Name == "Sleep" {
					f.add(s.at(n.Pos()), s.path, "a test that sleeps is slow or wrong; wait for what should happen, or use synctest")
				}
				return true
			})
		}
	})
}

// looks are the ways in which a test in the browser reads what is on a page at this moment.
var looks = regexp.MustCompile(`\bawait\b[^;]*\.(count|textContent|innerText|allInnerTexts|allTextContents|` +
	`isVisible|isHidden|isEnabled|isDisabled|isChecked|getAttribute|inputValue|boundingBox)\(|\.url\(\)\)?\.(search|hash|path)`)

// What a page shows comes when it comes, so that looking once is too early now and then, on slow machines above all.
func TestTestsInTheBrowserWaitForWhatTheyLookAt(t *testing.T) {
	t.Parallel()
	check(t, "look", func(f *findings) {
		seen := 0
		walk(t, func(p string, text []byte) {
			if !strings.HasPrefix(p, "web/console/e2e/") || !strings.HasSuffix(p, ".spec.ts") {
				return
			}
			seen++
			for _, at := range hastyLooks(string(text)) {
				f.add(p+":"+strconv.Itoa(at), p, "an expect looks once, which may be too early; wait by counts, gone, attribute, "+
					"barred, holds, says, asks, isAt or until of e2e/harness.ts, for what was never there after something else")
			}
		})
		if seen < 10 {
			t.Errorf("found %d tests in the browser; is the folder right?", seen)
		}
	})
}

// hastyLooks lists the lines of TypeScript in which an expect is given what is on a page at this moment.
func hastyLooks(text string) []int {
	var lines []int
	for from := 0; ; {
		begin := strings.Index(text[from:], "expect(")
		if begin < 0 {
			return lines
		}
		begin += from
		from = begin + len("expect(")
		depth, end := 1, from
		for ; end < len(text) && depth > 0; end++ {
			switch text[end] {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		if looks.MatchString(text[from:end]) {
			lines = append(lines, 1+strings.Count(text[:begin], "\n"))
		}
	}
}

// logger matches what loggers are called.
var logger = regexp.MustCompile(`(?i)(^|\.)(s?log|logger)$`)

func TestLogMessagesAreConstantAndLowerCase(t *testing.T) {
	t.Parallel()
	levels := []string{"Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext"}
	check(t, "log message", func(f *findings) {
		for _, s := range sources(t) {
			if s.test {
				continue
			}
			ast.Inspect(s.ast, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !slices.Contains(levels, sel.Sel.Name) || !logger.MatchString(lastName(sel.X)) {
					return true
				}
				message := 0
				if strings.HasSuffix(sel.Sel.Name, "Context") {
					message = 1
				}
				if len(call.Args) <= message || !plain(call.Args[message]) {
					f.add(s.at(call.Pos()), s.path, "a log message is a constant phrase in lower case; facts are attributes")
				}
				return true
			})
		}
	})
}

// lastName returns the last word of a.b.c, or of a call a.b().
func lastName(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.CallExpr:
		return lastName(x.Fun)
	}
	return ""
}

// plain reports whether e is a string literal that begins in lower case, or the parameter of a wrapper.
func plain(e ast.Expr) bool {
	if isName(e, "msg") {
		return true
	}
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return false
	}
	text, err := strconv.Unquote(lit.Value)
	return err == nil && text != "" && !unicode.IsUpper([]rune(text)[0]) && !strings.HasSuffix(text, ".")
}

func TestEveryPublicErrorHasARow(t *testing.T) {
	t.Parallel()
	check(t, "error row", func(f *findings) {
		var described string
		declared := map[string]string{}
		for _, s := range sources(t) {
			if s.dir != "orchestrator" || s.test {
				continue
			}
			if s.path == "orchestrator/errors.go" {
				described = s.text
			}
			for _, decl := range s.ast.Decls {
				g, ok := decl.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, spec := range g.Specs {
					for _, name := range errorNames(spec) {
						declared[name.Name] = s.at(name.Pos())
					}
				}
			}
		}
		if described == "" {
			t.Fatal("orchestrator/errors.go is missing")
		}
		for name, at := range declared {
			if !regexp.MustCompile(`\b` + name + `\b`).MatchString(described) {
				f.add(at, name, "%s has no row in orchestrator/errors.go", name)
			}
		}
	})
}

// errorNames lists exported sentinels and error types.
func errorNames(spec ast.Spec) []*ast.Ident {
	switch x := spec.(type) {
	case *ast.ValueSpec:
		var out []*ast.Ident
		for _, name := range x.Names {
			if strings.HasPrefix(name.Name, "Err") && len(x.Values) > 0 {
				if _, ok := x.Values[0].(*ast.CallExpr); ok {
					out = append(out, name)
				}
			}
		}
		return out
	case *ast.TypeSpec:
		if x.Name.IsExported() && strings.HasSuffix(x.Name.Name, "Error") {
			return []*ast.Ident{x.Name}
		}
	}
	return nil
}

// generatedNames are the usual names of files that a tool wrote.
var generatedNames = regexp.MustCompile(`(\.pb\.go|_gen\.go|_string\.go|^zz_.*\.go)$`)

func TestGeneratedFilesSaySo(t *testing.T) {
	t.Parallel()
	check(t, "generated", func(f *findings) {
		for _, s := range sources(t) {
			if generatedNames.MatchString(path.Base(s.path)) && !s.generated {
				f.add(s.path, s.path, "the file lacks its \"Code generated … DO NOT EDIT.\"")
			}
		}
	})
}

// TestReleasedMigrationsAreNotEdited compares migrations with migrations/RELEASED, which gets a line "sha256  path"
// for each file when a release contains it.
func TestReleasedMigrationsAreNotEdited(t *testing.T) {
	t.Parallel()
	check(t, "migration", func(f *findings) {
		sums, released := map[string]string{}, ""
		walk(t, func(p string, text []byte) {
			switch {
			case p == "migrations/RELEASED":
				released = string(text)
			case strings.HasPrefix(p, "migrations/") && path.Ext(p) == ".sql":
				sum := sha256.Sum256(text)
				sums[p] = hex.EncodeToString(sum[:])
			}
		})
		for line := range strings.Lines(released) {
			if sum, p, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && sums[p] != sum {
				f.add(p, p, "a released migration was edited or removed; write a new one")
			}
		}
	})
}

func TestNoPathsOfOneMachine(t *testing.T) {
	t.Parallel()
	ours := regexp.MustCompile(`(^|[^\w}])/(root|home/\w+|work/(main|shared))/`)
	check(t, "machine path", func(f *findings) {
		walk(t, func(p string, text []byte) {
			for i, line := range strings.Split(string(text), "\n") {
				if !strings.Contains(line, "/root/") && !strings.Contains(line, "/home/") && !strings.Contains(line, "/work/") {
					continue // most lines, and the pattern is slow
				}
				if ours.MatchString(line) && !strings.HasPrefix(p, "internal/tidy/") {
					f.add(p, p, "line %d names a path of one machine: %s", i+1, strings.TrimSpace(line))
				}
			}
		})
	})
}
