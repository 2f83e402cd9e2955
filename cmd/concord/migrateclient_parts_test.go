//go:build parts

package main

import (
	"slices"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
)

// TestTheTablesOfServicesAreMade by a user who may do nothing else, in part and then whole, and again.
func TestTheTablesOfServicesAreMade(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	tables := func() (names []string) {
		rows, err := s.root.QueryContext(t.Context(), "SHOW TABLES")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return names
	}
	c := driver.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = "app", password, "tcp", shared.database(t), s.name
	for _, step := range []struct {
		names []string
		want  string
	}{
		{[]string{"undo_log"}, "undo_log"},
		{nil, "concord_outbox concord_outbox_lease concord_result tcc_fence_log undo_log"},
		{nil, "concord_outbox concord_outbox_lease concord_result tcc_fence_log undo_log"},
	} {
		args := append([]string{"migrate", "client", "--dsn", c.FormatDSN()}, step.names...)
		code, out, complaints := commandHere(args...)
		if code != exitOK || !strings.Contains(out, "0001_undo_log.sql") || complaints != "" {
			t.Errorf("%v ended with %d: %s%s", step.names, code, out, complaints)
		}
		if got := tables(); !slices.Equal(got, strings.Fields(step.want)) {
			t.Errorf("%v has made %v", step.names, got)
		}
	}
	c.DBName = "nowhere"
	code, _, complaints := commandHere("migrate", "client", "--dsn", c.FormatDSN())
	if code != exitFailure || !strings.Contains(complaints, "connect to the database") {
		t.Errorf("ended with %d: %s", code, complaints)
	}
	if strings.Contains(complaints, password) {
		t.Error("the password is shown")
	}
}
