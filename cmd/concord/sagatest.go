package main

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/simulate"
)

// The verdicts of a test.
const (
	testPassed = "passed"
	testFailed = "failed"
	testBroken = "broken" // it cannot be run
)

// tested is what came of one test.
type tested struct {
	File    string `json:"file"`
	Name    string `json:"name,omitempty"`
	Verdict string `json:"verdict"`
	// Differences are what is otherwise than expected, Findings what is wrong with the file of the test.
	Differences []string             `json:"differences,omitempty"`
	Findings    []definition.Finding `json:"findings,omitempty"`
	Problem     string               `json:"problem,omitempty"`
	End         string               `json:"end,omitempty"`
	TookMs      int64                `json:"tookMs"`
}

func (a *app) sagaTest() *cobra.Command {
	output := "table"
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Run tests of sagas, without a server",
		Long: `Run tests of sagas, as concord saga simulate --save writes them: a definition, what its steps answer, and what
is expected. In a directory all files are run that are called *.test.yaml, *.test.yml or *.test.json, also below it.

The exit code is 0 if all pass, 1 if one fails or cannot be run, 2 if there is nothing to run.`,
		Example: `  concord saga test sagas/
  concord saga test order-paid.test.yaml order-refused.test.yaml
  concord saga test sagas/ --output junit >report.xml`,
		Args: atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"table", "json", "junit"}, output) {
				return usageError{fmt.Errorf("--output is table, json or junit, not %q", output)}
			}
			files, err := testFiles(args)
			if err != nil {
				return usageError{err}
			}
			var all []tested
			for _, file := range files {
				t, err := runTest(cmd.Context(), file)
				if err != nil {
					return err
				}
				all = append(all, t)
				if output == "table" {
					t.draw(a.stdout)
				}
			}
			return a.closeTests(all, output)
		},
	}
	cmd.Flags().StringVar(&output, "output", output, "how to show the result: table, json or junit")
	return cmd
}

// testFiles are the files that are named, and those in directories.
func testFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		err = filepath.WalkDir(arg, func(path string, entry fs.DirEntry, err error) error {
			name := strings.TrimSuffix(entry.Name(), filepath.Ext(path))
			known := slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path))
			if err == nil && !entry.IsDir() && known && strings.HasSuffix(name, ".test") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, errors.New("there is no file that is called *.test.yaml, *.test.yml or *.test.json")
	}
	return files, nil
}

// runTest runs one test. The error is that of the context.
func runTest(ctx context.Context, file string) (tested, error) {
	out := tested{File: file, Verdict: testBroken}
	text, err := os.ReadFile(file)
	if err != nil {
		out.Problem = err.Error()
		return out, nil
	}
	test, findings := simulate.ReadTest(text)
	out.Name, out.Findings = test.Name, findings
	switch {
	case len(findings) > 0:
		return out, nil
	case test.Saga == "" || test.Expect == nil:
		out.Problem = "a test has the keys saga and expect; concord saga simulate --save writes one"
		return out, nil
	}
	model, err := modelOf(file, test.Saga, test.Subs)
	if err != nil {
		out.Problem = err.Error()
		return out, nil
	}
	if out.Findings = test.Findings(model.Check(&test.Scenario)); len(out.Findings) > 0 {
		return out, nil
	}
	result, err := model.Run(ctx, &test.Scenario)
	if err != nil {
		return out, err
	}
	out.End, out.TookMs = result.End.String(), result.TookMs
	out.Verdict, out.Differences = testPassed, test.Expect.Differences(result)
	if len(out.Differences) > 0 {
		out.Verdict = testFailed
	}
	return out, nil
}

// modelOf reads the definitions that a file names.
func modelOf(file, saga string, subs []string) (*simulate.Model, error) {
	l, err := loadFrom(file, saga, subs)
	if err != nil {
		return nil, err
	}
	return simulate.NewModel(l.def, l.subs)
}

// loadFrom reads the definitions that a file names. What is wrong with them is the error.
func loadFrom(file, saga string, subs []string) (*loaded, error) {
	var complaints strings.Builder
	l := &loader{stdin: strings.NewReader(""), complaints: &complaints}
	others := make([]string, len(subs))
	for i, name := range subs {
		others[i] = beside(file, name)
	}
	out, err := l.load(beside(file, saga), others)
	if complaints.Len() > 0 && err != nil {
		err = errors.New(strings.TrimSuffix(complaints.String(), "\n"))
	}
	return out, err
}

// beside is where a file is that another one names.
func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), filepath.FromSlash(name))
}

// draw writes what came of a test.
func (t *tested) draw(w io.Writer) {
	var b strings.Builder
	name := t.File
	if t.Name != "" {
		name += ": " + t.Name
	}
	switch t.Verdict {
	case testPassed:
		fmt.Fprintf(&b, "ok      %s\n", name)
	case testFailed:
		fmt.Fprintf(&b, "FAILED  %s\n", name)
	default:
		fmt.Fprintf(&b, "BROKEN  %s\n", name)
	}
	for _, d := range t.Differences {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(d, "\n", "\n    "))
	}
	if t.Problem != "" {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(t.Problem, "\n", "\n    "))
	}
	drawFound(&b, t.File, t.Findings)
	_, _ = io.WriteString(w, b.String())
}

// closeTests shows the counts, and has the command end as the tests did.
func (a *app) closeTests(all []tested, output string) error {
	counts := map[string]int{}
	for i := range all {
		counts[all[i].Verdict]++
	}
	var err error
	switch output {
	case "json":
		var raw []byte
		if raw, err = json.Marshal(all); err == nil {
			err = a.printJSON(raw)
		}
	case "junit":
		err = drawJUnit(a.stdout, all, counts)
	default:
		what := "tests"
		if len(all) == 1 {
			what = "test"
		}
		_, err = fmt.Fprintf(a.stdout, "%d %s: %d passed, %d failed, %d broken\n", len(all), what, counts[testPassed],
			counts[testFailed], counts[testBroken])
	}
	if err == nil && counts[testPassed] < len(all) {
		err = fmt.Errorf("%d of %d tests did not pass", len(all)-counts[testPassed], len(all))
	}
	return err
}

// The elements of a report in the form of JUnit, which most builds can show.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitProblem `xml:"failure"`
		Error   *junitProblem `xml:"error"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func drawJUnit(w io.Writer, all []tested, counts map[string]int) error {
	suite := junitSuite{
		Name: "sagas", Tests: len(all), Failures: counts[testFailed], Errors: counts[testBroken],
	}
	for i := range all {
		t := &all[i]
		one := junitCase{Class: t.File, Name: cmp.Or(t.Name, filepath.Base(t.File))}
		var text strings.Builder
		t.draw(&text)
		switch t.Verdict {
		case testFailed:
			first, _, _ := strings.Cut(t.Differences[0], "\n")
			one.Failure = &junitProblem{first, text.String()}
		case testBroken:
			one.Error = &junitProblem{"it cannot be run", text.String()}
		}
		suite.Cases = append(suite.Cases, one)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	if err := e.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
