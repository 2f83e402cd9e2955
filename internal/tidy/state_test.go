package tidy

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// constantCalls build values that nobody changes.
func constantCalls() []string {
	return []string{
		"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer", "big.NewInt", "crc32.MakeTable",
	}
}

func TestNoInitAndNoPackageLevelState(t *testing.T) {
	t.Parallel()
	check(t, "package state", func(f *findings) {
		byDir := map[string][]*source{}
		for _, s := range sources(t) {
			if !s.test && !s.generated {
				byDir[s.dir] = append(byDir[s.dir], s)
			}
		}
		for _, files := range byDir {
			tables := map[string]bool{}
			for _, s := range files {
				declared(f, s, tables)
			}
			for _, s := range files {
				assigned(f, s, tables)
			}
		}
	})
}

// declared checks the declarations of a file and gathers the tables among them.
func declared(f *findings, s *source, tables map[string]bool) {
	for _, decl := range s.ast.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == "init" && d.Recv == nil && !strings.Contains(s.text, "//go:embed") {
				f.add(s.at(d.Pos()), s.path, "init runs without being asked; call a function")
			}
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				declaredVar(f, s, d, spec.(*ast.ValueSpec), tables)
			}
		}
	}
}

func declaredVar(f *findings, s *source, d *ast.GenDecl, v *ast.ValueSpec, tables map[string]bool) {
	embedded := d.Doc != nil && strings.Contains(commentText(d.Doc), "go:embed")
	for i, name := range v.Names {
		if name.Name == "_" || embedded {
			continue
		}
		tables[name.Name] = true
		if len(v.Values) != len(v.Names) || !immutable(v.Values[i]) {
			f.add(s.at(name.Pos()), s.path+" "+name.Name,
				"var %s is package-level state; make it a constant, a function, or a field", name.Name)
		}
	}
}

// immutable reports whether a value is one that is declared to be read only: an error, a pattern, a table.
func immutable(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		sel, ok := e.Fun.(*ast.SelectorExpr)
		if !ok {
			_, literal := e.Fun.(*ast.FuncLit) // a table that is computed in place
			return literal
		}
		pkg, ok := sel.X.(*ast.Ident)
		return ok && slices.Contains(constantCalls(), pkg.Name+"."+sel.Sel.Name)
	}
	return false
}

// assigned reports writes to package-level variables.
func assigned(f *findings, s *source, tables map[string]bool) {
	ast.Inspect(s.ast, func(n ast.Node) bool {
		var targets []ast.Expr
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				targets = n.Lhs
			}
		case *ast.IncDecStmt:
			targets = []ast.Expr{n.X}
		}
		for _, target := range targets {
			id := rootOf(target)
			if id == nil || !tables[id.Name] {
				continue
			}
			//lint:ignore SA1019 Obj is enough to tell a local variable from one of the package
			local := id.Obj != nil && !isPackageVar(s, id.Obj.Decl)
			if !local {
				f.add(s.at(id.Pos()), s.path+" "+id.Name, "%s is a table of the package and must not be changed", id.Name)
			}
		}
		return true
	})
}

func isPackageVar(s *source, decl any) bool {
	for _, d := range s.ast.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, spec := range g.Specs {
				if spec == decl {
					return true
				}
			}
		}
	}
	return false
}

// rootOf returns the variable that an assignment's target is a part of.
func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			if _, ok := x.X.(*ast.Ident); !ok {
				e = x.X
				continue
			}
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return nil
		}
	}
}

func commentText(g *ast.CommentGroup) string {
	var b strings.Builder
	for _, c := range g.List {
		b.WriteString(c.Text + "\n")
	}
	return b.String()
}

func TestContextIsNotStored(t *testing.T) {
	t.Parallel()
	check(t, "stored context", func(f *findings) {
		for _, s := range sources(t) {
			if s.test {
				continue
			}
			ast.Inspect(s.ast, func(n ast.Node) bool {
				st, ok := n.(*ast.StructType)
				if !ok {
					return true
				}
				for _, field := range st.Fields.List {
					if sel, ok := field.Type.(*ast.SelectorExpr); ok && isName(sel.X, "context") && sel.Sel.Name == "Context" {
						f.add(s.at(field.Pos()), s.path, "a context is an argument, never a field")
					}
				}
				return true
			})
		}
	})
}
