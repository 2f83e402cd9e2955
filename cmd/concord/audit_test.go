package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-tx/concord/audit"
)

// begun is a line of a client's history.
const begun = `{"client":"c","op":"begin","xid":"10.0.0.1:8091:7","asked":1,"answered":2,"answer":"ok"}` + "\n"

// TestAuditEndsWithWhatItFound runs the command on a client's history alone.
func TestAuditEndsWithWhatItFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, history string
		code          int
		says          string
	}{
		{"clean", begun, exitOK, "No violation was found."},
		{"violated", begun + begun, exitFailure, "it was given to 2 begins [I11/begins]"},
		{"unreadable", "{\n", exitUsage, "line 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "history.jsonl")
			if err := os.WriteFile(path, []byte(tt.history), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, complaints bytes.Buffer
			a := &app{stdout: &out, stderr: &complaints}
			if code := a.run(context.Background(), []string{"audit", "--history", path}); code != tt.code {
				t.Errorf("ended with %d: %s", code, complaints.String())
			}
			if all := out.String() + complaints.String(); !strings.Contains(all, tt.says) {
				t.Errorf("it does not say %q:\n%s", tt.says, all)
			}
			if tt.code == exitUsage {
				return
			}
			out.Reset()
			if code := a.run(context.Background(), []string{"audit", "--history", path, "--json"}); code != tt.code {
				t.Errorf("with --json it ended with %d", code)
			}
			var report audit.Report
			if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Clean() != (tt.code == exitOK) {
				t.Errorf("%v: %s", err, out.String())
			}
		})
	}
}

// TestAuditSaysWhichSourceItCannotRead names the flag to change.
func TestAuditSaysWhichSourceItCannotRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, says string }{
		{"", "nothing to look at: give --mysql-dsn"},
		{"--mysql-dsn root@tcp(127.0.0.1:1)/concord", "--mysql-dsn"},
		{"--participants nowhere.yaml", "--participants"},
		{"--history nowhere.jsonl", "--history"},
		{"--rocketmq-namesrv 127.0.0.1:1 --timeout 5s", "topics"},
	} {
		var out, complaints bytes.Buffer
		a := &app{stdout: &out, stderr: &complaints}
		code := a.run(context.Background(), append([]string{"audit"}, strings.Fields(tt.args)...))
		if code != exitUsage || !strings.Contains(complaints.String(), tt.says) {
			t.Errorf("audit %s: %d, %s", tt.args, code, complaints.String())
		}
	}
}
