package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path of this module.
const module = "github.com/concord-tx/concord"

// source is one Go file.
type source struct {
	path      string // relative to the root of the module, with slashes
	dir       string // its directory, "." for the root
	test      bool
	generated bool
	text      string
	lines     []string
	fset      *token.FileSet
	ast       *ast.File
}

// at returns "path:line" of a position.
func (s *source) at(pos token.Pos) string {
	p := s.fset.Position(pos)
	return s.path + ":" + strconv.Itoa(p.Line)
}

// length is the number of lines of a node.
func (s *source) length(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

// under reports whether the file is in one of the directories or below.
func (s *source) under(dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return within(s.dir, d) })
}

func within(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }

// imports lists the import paths.
func (s *source) imports() []string {
	var out []string
	for _, spec := range s.ast.Imports {
		out = append(out, strings.Trim(spec.Path.Value, `"`))
	}
	return out
}

var generatedMark = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// root is the root of the module.
const root = "../.."

// walk calls visit with every file of the tree that belongs to it, by its path from the root.
func walk(t *testing.T, visit func(path string, text []byte)) {
	t.Helper()
	skip := []string{".git", "node_modules", "testdata", "bin", "data", ".parts", "tmp", "target", "dist"}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil // somebody works in the tree
			}
			return err
		}
		if d.IsDir() {
			if slices.Contains(skip, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		switch path.Ext(p) {
		case ".go", ".md", ".sh", ".yaml", ".yml", ".xml", ".java", ".sql", ".ts", ".tsx", ".css", ".mod", "":
		default:
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return nil // gone again
		}
		visit(filepath.ToSlash(rel), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources parses every Go file.
func sources(t *testing.T) []*source {
	t.Helper()
	var out []*source
	fset := token.NewFileSet()
	walk(t, func(p string, text []byte) {
		if path.Ext(p) != ".go" {
			return
		}
		file, err := parser.ParseFile(fset, p, text, parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			return
		}
		out = append(out, &source{
			path: p, dir: path.Dir(p), test: strings.HasSuffix(p, "_test.go"), generated: generatedMark.Match(text),
			text: string(text), lines: strings.Split(string(text), "\n"), fset: fset, ast: file,
		})
	})
	if len(out) < 20 {
		t.Fatalf("found %d Go files; is the root right?", len(out))
	}
	return out
}
