package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestMalformedDatabaseIsAMistakeOfConfiguration: what can be seen without asking anybody ends with 2, and shows no
// password.
func TestMalformedDatabaseIsAMistakeOfConfiguration(t *testing.T) {
	t.Parallel()
	const serve = "serve --store mysql --mq off"
	for _, dsn := range []string{"concord:hush@db", "concord:hush@tcp(db:3306)/", "concord:hush@tcp(db/concord"} {
		for _, command := range []string{"migrate", serve, serve + " --print-config"} {
			var out, complaints bytes.Buffer
			a := &app{stdout: &out, stderr: &complaints, environ: []string{"CONCORD_MYSQL_DSN=" + dsn}}
			if code := a.run(context.Background(), strings.Fields(command)); code != exitUsage {
				t.Errorf("%s with %s ended with %d", command, dsn, code)
			}
			contains(t, complaints.String(), "configuration: mysql.dsn (environment CONCORD_MYSQL_DSN): ",
				"the form is user:password@tcp(host:3306)/concord")
			if all := out.String() + complaints.String(); strings.Contains(all, "hush") {
				t.Errorf("the password is shown: %s", all)
			}
		}
	}
}
