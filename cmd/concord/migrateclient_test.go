package main

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // literals
)

// commandHere runs a command line in this process.
func commandHere(args ...string) (code int, out, complaints string) {
	var o, c bytes.Buffer
	a := &app{stdout: &o, stderr: &c}
	code = a.run(context.Background(), args)
	return code, o.String(), c.String()
}

// TestTheTablesOfServicesArePrinted as SQL that a strict parser reads.
func TestTheTablesOfServicesArePrinted(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                "undo_log tcc_fence_log concord_outbox concord_outbox_lease concord_result",
		"undo_log":        "undo_log",
		"outbox undo_log": "undo_log concord_outbox concord_outbox_lease concord_result",
	} {
		code, out, complaints := commandHere(append([]string{"migrate", "client"}, strings.Fields(line)...)...)
		if code != exitOK || strings.Contains(out, "goose") {
			t.Errorf("%q ended with %d: %s%s", line, code, complaints, out)
		}
		statements, _, err := parser.New().Parse(out, "", "")
		if err != nil {
			t.Errorf("%q: %v\n%s", line, err, out)
		}
		var tables []string
		for _, s := range statements {
			table, ok := s.(*ast.CreateTableStmt)
			if !ok || !table.IfNotExists {
				t.Errorf("%q cannot be run again: %s", line, s.Text())
				continue
			}
			tables = append(tables, table.Table.Name.L)
		}
		if !slices.Equal(tables, strings.Fields(want)) {
			t.Errorf("%q has the tables %v", line, tables)
		}
	}
	_, help, _ := commandHere("migrate", "client", "--help")
	for _, name := range []string{"undo_log", "tcc_fence_log", "outbox"} { // the help names what there is
		if !regexp.MustCompile(`(?m)^  ` + name + ` `).MatchString(help) {
			t.Errorf("%s is not explained in\n%s", name, help)
		}
	}
}

// TestTablesThatCannotBeMadeAreAMistake: what can be seen without asking anybody ends with 2, and shows no password.
func TestTablesThatCannotBeMadeAreAMistake(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"undo":                              `there are no tables called "undo"`,
		"--dsn shop:hush@tcp(db:3306)/":     "names no database",
		"--dsn shop:hush@tcp(db:3306)shop":  "is malformed",
		"--dsn=":                            "names no database",
		"--mysql-dsn shop:hush@tcp(db)/con": "unknown flag",
	} {
		code, out, complaints := commandHere(append([]string{"migrate", "client"}, strings.Fields(line)...)...)
		if code != exitUsage || !strings.Contains(complaints, want) || strings.Contains(out+complaints, "hush") {
			t.Errorf("%s ended with %d: %s%s", line, code, complaints, out)
		}
	}
	code, _, complaints := commandHere("migrate", "clients")
	if code != exitUsage || !strings.Contains(complaints, "clients") {
		t.Errorf("ended with %d: %s", code, complaints)
	}
}
