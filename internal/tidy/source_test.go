package tidy

import (
	"errors"
	"fmt"
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
	"sync"
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

// file is one file of the tree, by its path from the root.
type file struct {
	path string
	text []byte
}

// walk calls visit with every file of the tree that belongs to it.
func walk(t *testing.T, visit func(path string, text []byte)) {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		visit(f.path, f.text)
	}
}

// tree reads all files once, for all rules. Nobody changes what it returns.
var tree = sync.OnceValues(func() ([]file, error) {
	var all []file
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
		all = append(all, file{filepath.ToSlash(rel), text})
		return nil
	})
	return all, err
})

// sources are the Go files, parsed.
func sources(t *testing.T) []*source {
	t.Helper()
	out, err := parsed()
	if err != nil {
		t.Error(err)
	}
	if len(out) < 20 {
		t.Fatalf("found %d Go files; is the root right?", len(out))
	}
	return out
}

// parsed parses every Go file once, for all rules, and returns what can be parsed with the errors of what cannot.
var parsed = sync.OnceValues(func() ([]*source, error) {
	all, wrong := tree()
	var out []*source
	fset := token.NewFileSet()
	for _, f := range all {
		p, text := f.path, f.text
		if path.Ext(p) != ".go" {
			continue
		}
		file, err := parser.ParseFile(fset, p, text, parser.ParseComments)
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("%s: %w", p, err))
			continue
		}
		out = append(out, &source{
			path: p, dir: path.Dir(p), test: strings.HasSuffix(p, "_test.go"), generated: generatedMark.Match(text),
			text: string(text), lines: strings.Split(string(text), "\n"), fset: fset, ast: file,
		})
	}
	return out, wrong
})
