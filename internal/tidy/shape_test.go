package tidy

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The bounds of files, functions and lines.
const (
	fileLinesWanted = 500
	fileLinesMax    = 700
	funcLinesMax    = 70
	lineRunesMax    = 120
)

func TestFilesAndLinesAreShort(t *testing.T) {
	t.Parallel()
	check(t, "length", func(f *findings) {
		for _, s := range sources(t) {
			if s.generated {
				continue
			}
			if n := len(s.lines); n > fileLinesMax {
				f.add(s.path, s.path, "%d lines; %d are the most", n, fileLinesMax)
			} else if n > fileLinesWanted {
				t.Logf("%s: %d lines; better at most %d", s.path, n, fileLinesWanted)
			}
			for i, line := range s.lines {
				if n := utf8.RuneCountInString(line); n > lineRunesMax && strings.ContainsAny(strings.TrimSpace(line), " ") {
					f.add(s.path, s.path, "line %d has %d characters; %d are the most", i+1, n, lineRunesMax)
				}
			}
		}
	})
}

// TypeScript and styles keep the wanted length, too. What is generated has its own.
func TestFilesOfTheConsoleAreShort(t *testing.T) {
	t.Parallel()
	check(t, "length of the console", func(f *findings) {
		seen := 0
		walk(t, func(p string, text []byte) {
			if !slices.Contains([]string{".ts", ".tsx", ".css"}, path.Ext(p)) || p == "web/console/src/api/schema.ts" {
				return
			}
			seen++
			lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			if n := len(lines); n > fileLinesWanted {
				f.add(p, p, "%d lines; %d are the most", n, fileLinesWanted)
			}
			for i, line := range lines {
				if n := utf8.RuneCountInString(line); n > lineRunesMax && strings.Contains(strings.TrimSpace(line), " ") {
					f.add(p, p, "line %d has %d characters; %d are the most", i+1, n, lineRunesMax)
				}
			}
		})
		if seen < 10 {
			t.Errorf("found %d files of the console; is the folder right?", seen)
		}
	})
}

func TestFunctionsAreShort(t *testing.T) {
	t.Parallel()
	check(t, "function length", func(f *findings) {
		for _, s := range sources(t) {
			if s.generated {
				continue
			}
			for _, decl := range s.ast.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok || fn.Body == nil || isTable(fn.Body) {
					continue
				}
				n := s.length(fn)
				switch {
				case n <= funcLinesMax:
				case s.test:
					t.Logf("%s: %s has %d lines; better at most %d", s.path, fn.Name.Name, n, funcLinesMax)
				default:
					f.add(s.at(fn.Pos()), s.path+" "+fn.Name.Name, "%s has %d lines; %d are the most", fn.Name.Name, n, funcLinesMax)
				}
			}
		}
	})
}

// isTable reports whether a body is one switch or one literal with at most a few plain statements around it.
func isTable(body *ast.BlockStmt) bool {
	if len(body.List) > 4 {
		return false
	}
	tables := 0
	for _, stmt := range body.List {
		switch x := stmt.(type) {
		case *ast.SwitchStmt, *ast.TypeSwitchStmt:
			tables++
		case *ast.ReturnStmt:
			if len(x.Results) == 1 {
				if _, ok := x.Results[0].(*ast.CompositeLit); ok {
					tables++
				}
			}
		case *ast.ForStmt, *ast.RangeStmt, *ast.SelectStmt, *ast.GoStmt:
			return false
		}
	}
	return tables > 0
}

func TestEveryPackageAndExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	check(t, "documentation", func(f *findings) {
		described, code := map[string]bool{}, map[string]bool{}
		for _, s := range sources(t) {
			if strings.HasSuffix(s.path, "/doc.go") && s.ast.Doc != nil && len(s.ast.Doc.Text()) > 60 {
				described[s.dir] = true
			}
			if s.test {
				continue
			}
			code[s.dir] = true
			if !s.generated {
				documented(f, s)
			}
		}
		for dir := range code {
			if !described[dir] {
				f.add(dir, dir, "the package has no doc.go that says what it is for and where to start reading")
			}
		}
	})
}

func documented(f *findings, s *source) {
	for _, decl := range s.ast.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil {
				f.add(s.at(d.Pos()), s.path+" "+d.Name.Name, "%s is exported and has no comment", d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				documentedSpec(f, s, d, spec)
			}
		}
	}
}

func documentedSpec(f *findings, s *source, d *ast.GenDecl, spec ast.Spec) {
	switch x := spec.(type) {
	case *ast.TypeSpec:
		if x.Name.IsExported() && x.Doc == nil && d.Doc == nil {
			f.add(s.at(x.Pos()), s.path+" "+x.Name.Name, "type %s is exported and has no comment", x.Name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range x.Names {
			if name.IsExported() && x.Doc == nil && x.Comment == nil && d.Doc == nil {
				f.add(s.at(name.Pos()), s.path+" "+name.Name, "%s is exported and has no comment", name.Name)
			}
		}
	}
}

// exportedReceiver reports whether a function is one, or a method of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

func TestTODOsNameAnIssue(t *testing.T) {
	t.Parallel()
	todo, good := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`), regexp.MustCompile(`TODO\(#\d+\): \S`)
	check(t, "todo", func(f *findings) {
		for _, s := range sources(t) {
			for _, group := range s.ast.Comments {
				for _, c := range group.List {
					if todo.MatchString(c.Text) && !good.MatchString(c.Text) && s.dir != "internal/tidy" {
						f.add(s.at(c.Pos()), s.path, "write TODO(#issue): what is to be done")
					}
				}
			}
		}
	})
}
