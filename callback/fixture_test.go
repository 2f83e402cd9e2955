package callback

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestMain(m *testing.M) {
	if served() {
		return
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

// report is what the coordinator is told.
type report struct {
	id int64
	r  txn.Reply
}

// fixture is a transport that runs.
type fixture struct {
	*Transport
	reports chan report
	stop    func() // ends Run and waits for it
}

// setup starts a transport that may call this machine.
func setup(t *testing.T, change func(o *Options)) *fixture {
	t.Helper()
	o := Options{Loopback: true, Version: "test", Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	tr, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Transport: tr, reports: make(chan report, 100_000)}
	tr.Bind(func(id int64, r txn.Reply) { f.reports <- report{id, r} })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(f.stop)
	return f
}

// next waits for a report.
func (f *fixture) next(t *testing.T) report {
	t.Helper()
	select {
	case r := <-f.reports:
		return r
	case <-time.After(60 * time.Second):
		t.Fatal("no report within 20 s")
		return report{}
	}
}

// ask sends a command and waits for its end.
func (f *fixture) ask(t *testing.T, cmd txn.Command) txn.Reply {
	t.Helper()
	if err := f.Send(cmd); err != nil {
		t.Fatalf("Send: %v", err)
	}
	return f.next(t).r
}

// command asks for a commit at a URL.
func command(url string) txn.Command {
	return txn.Command{
		XID: txn.XID{Prefix: "10.0.0.1:8091", ID: 70}, BranchID: 71, Kind: txn.HTTP, Op: txn.Commit, Attempt: 1,
		Data: `{"sku":7}`, Call: &txn.Call{CommitURL: url, RollbackURL: url},
		Until: txn.MillisOf(time.Now().Add(15 * time.Second)),
	}
}

// participant is an HTTP server that answers what it is told.
func participant(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}
