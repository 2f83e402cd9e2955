package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/machine"
	"github.com/concord-tx/concord/saga/plan"
)

// errBroken ends commands that run a definition, of which the findings were printed.
var errBroken = errors.New("the definition cannot be run")

// loaded is a definition from a file, with its sub-sagas.
type loaded struct {
	def  *definition.Definition
	subs plan.Resolve
	file string
	used []string // the files of sub-sagas
}

// loader reads definitions from files. It prints what is wrong with them.
type loader struct {
	stdin      io.Reader
	complaints io.Writer
}

// load reads the file of a saga. Sub-sagas are in the other files, or beside it in a file that is called as they are.
// Errors: [errBroken], those of files as usage errors.
func (l *loader) load(file string, others []string) (*loaded, error) {
	def, err := l.read(file)
	if err != nil {
		return nil, err
	}
	out := &loaded{def: def, file: file}
	known := map[string]*definition.Definition{}
	for _, other := range others {
		sub, err := l.read(other)
		if err != nil {
			return nil, err
		}
		known[sub.Name] = sub
		out.used = append(out.used, other)
	}
	out.subs = func(name string, _ int) (*definition.Definition, error) {
		if sub := known[name]; sub != nil {
			return sub, nil
		}
		for _, ending := range []string{".yaml", ".yml", ".json"} {
			beside := filepath.Join(filepath.Dir(file), name+ending)
			if _, err := os.Stat(beside); err != nil || file == "-" || !plainName.MatchString(name) {
				continue
			}
			sub, err := l.read(beside)
			if err != nil {
				return nil, err
			}
			if sub.Name == name {
				known[name] = sub
				out.used = append(out.used, beside)
				return sub, nil
			}
		}
		return nil, fmt.Errorf("none of the files has the saga %s; name the file that has it", name)
	}
	return out, nil
}

// plainName is a name that can be that of a file.
var plainName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]*$`)

func (l *loader) read(file string) (*definition.Definition, error) {
	text, err := readDefinition(file, l.stdin)
	if err != nil {
		return nil, usageError{err}
	}
	if machine.Recognise(text) {
		return nil, fmt.Errorf("%s: this is a state machine of Seata; only Concord's own language is simulated", file)
	}
	def, findings := definition.Parse(text)
	drawFound(l.complaints, file, findings)
	if def == nil || definition.Broken(findings) {
		return nil, errBroken
	}
	return def, nil
}

// drawFound prints findings in a file.
func drawFound(to io.Writer, file string, findings []definition.Finding) {
	for _, f := range findings {
		_, _ = fmt.Fprintf(to, "%s:%d:%d: %s: %s (%s)\n", file, f.Line, f.Column, f.Severity, f.Text, f.Rule)
		if f.Advice != "" {
			_, _ = fmt.Fprintf(to, "    %s\n", f.Advice)
		}
	}
}

// seenFrom returns the names of files as seen from another file's directory.
func seenFrom(dir string, files ...string) ([]string, error) {
	out := make([]string, len(files))
	for i, file := range files {
		from, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		to, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		if to, err = filepath.Rel(from, to); err != nil {
			return nil, err
		}
		out[i] = filepath.ToSlash(to)
	}
	return out, nil
}
