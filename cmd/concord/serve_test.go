package main

import (
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

func TestOperatorFindsAndMendsAStuckTransaction(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	if code, body := s.get("/readyz"); code != 200 || !strings.Contains(body, `"ready":true`) {
		t.Fatalf("%d %s", code, body)
	}
	p := connect(t, s.tc)
	xid := p.begin("buy", "orders:1,2")
	if !strings.HasPrefix(xid, s.advertise+":") {
		t.Errorf("xid %s does not begin with %s", xid, s.advertise)
	}
	contains(t, s.ok("tx", "list", "--live", "--application", "shop"), xid, "Active", "buy")
	contains(t, s.ok("locks", "--table", "ORDERS", "--pk", "2"), xid, "orders", "jdbc:mysql://db/shop")
	contains(t, s.ok("tx", "show", xid), "└─", "locks 2 rows", "It is open", "jdbc:mysql://db/shop")

	p.answer(0, seata.BranchRollbackFailedUnretryable)
	contains(t, s.ok("tx", "rollback", xid, "--yes", "--reason", "ticket 7"), "RollingBack", "Stuck",
		"concord tx retry "+xid)
	contains(t, s.ok("tx", "list", "--stuck"), xid, "STUCK (refused)")
	contains(t, s.ok("tx", "why", xid), "branchRefused", "what you can do", "concord tx retry "+xid)
	contains(t, s.ok("tx", "show", xid, "-o", "json"), `"stuck": true`, `"stuckReason": "refused"`)
	if r := s.do("tx", "commit", xid, "--yes", "--reason", "no"); r.code != exitFailure {
		t.Errorf("commit after rollback: %+v", r)
	} else {
		contains(t, r.errors, "commit of "+xid, "never reversed")
	}

	p.answer(0, seata.BranchRollbacked)
	contains(t, s.ok("tx", "retry", xid, "--yes", "--reason", "mended"), "retry of "+xid)
	s.eventually("RolledBack", "tx", "show", xid)
	contains(t, s.ok("tx", "history", xid), "began", "rollbackDecided", "operator by cli (kim): ticket 7", "refused",
		"retryRequested", "ended")
	contains(t, s.ok("locks"), "No locked row matches.")
	contains(t, s.ok("tx", "list", "--status", "rolledback", "--since", "1h"), xid)
	contains(t, s.ok("locks", "--waits"), "Nobody waits")
	if code, body := s.get("/metrics"); code != 200 {
		t.Errorf("%d", code)
	} else {
		contains(t, body, "tx_begun_total 1\n", `tx_ended_total{outcome="rollback"} 1`, "tx_sessions 1", "tx_ready 1")
	}
	_, body := s.get("/api/v1/sessions")
	contains(t, body, `"application":"shop"`, `"roles":["TM","RM"]`, "jdbc:mysql://db/shop")
}

func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	first := start(t, data, "--dev", "--retry-grace", "200ms", "--retry-answer", "200ms")
	p := connect(t, first.tc)
	open := p.begin("open", "orders:1")
	done := p.begin("done", "orders:2")
	m := p.ask(&seata.GlobalCommitRequest{XID: done})
	r, ok := m.(*seata.GlobalCommitResponse)
	if !ok || r.Status != seata.GlobalCommitted && r.Status != seata.GlobalCommitting {
		t.Fatalf("commit: %+v", m)
	}
	first.kill()

	second := start(t, data, "--dev", "--retry-answer", "200ms")
	contains(t, second.ok("tx", "show", open), "Active", "locks 1 row")
	contains(t, second.ok("tx", "show", done), "Committing")
	contains(t, second.ok("locks"), open, "orders")
	q := connect(t, second.tc)
	if r := q.register(q.begin("other", "orders:9"), "orders:1"); r.Code == seata.Success {
		t.Error("a row that was locked before the crash was locked again by another transaction")
	}
	q.answer(seata.BranchCommitted, 0)
	second.eventually("Committed", "tx", "show", done)
	contains(t, second.ok("tx", "commit", open, "--yes", "--reason", "test"), "Committ")
	fresh := q.begin("fresh", "orders:1")
	if fresh == open || fresh == done {
		t.Errorf("xid %s was given twice", fresh)
	}
}

func TestTermEndsWithZeroAndASecondOneAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, s.logs())
	}
	contains(t, s.logs(), "shutting down", `"msg":"stopped"`)

	s = start(t, t.TempDir(), "--dev")
	s.signal(syscall.SIGTERM) // as timeout(1) and make do: the process, then its group
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitOK {
		t.Errorf("exit code %d after a signal and its echo:\n%s", code, s.logs())
	}

	s = start(t, t.TempDir(), "--dev", "--limits-drain", "10m", "--retry-answer", "10m")
	p := connect(t, s.tc)
	xid := p.begin("slow", "orders:1")
	// Its command is never answered, so draining takes long.
	s.ok("tx", "rollback", xid, "--no-wait", "--yes", "--reason", "test")
	for p.commands() == 0 {
		s.ok("tx", "show", xid)
	}
	s.signal(syscall.SIGINT)
	for !strings.Contains(s.logs(), "shutting down") {
		if code, body := s.get("/healthz"); code != 200 {
			t.Fatalf("%d %s", code, body)
		}
	}
	if code, body := s.get("/readyz"); code != 503 || !strings.Contains(body, "draining") {
		t.Errorf("while draining: %d %s", code, body)
	}
	for again := time.NewTicker(2 * signalEcho); ; {
		select {
		case <-again.C:
			s.signal(syscall.SIGTERM)
			continue
		case <-s.exited:
		}
		again.Stop()
		break
	}
	if code := s.wait(); code != exitFailure {
		t.Errorf("exit code %d:\n%s", code, s.logs())
	}
}

func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	operations, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	own, _, found := strings.Cut(string(operations), "\n### Of a cluster\n")
	if !found {
		t.Fatal("the metrics of a cluster are missing")
	}
	s := start(t, t.TempDir())
	s.get("/healthz")
	_, body := s.get("/metrics")
	shown := map[string]bool{}
	for line := range strings.Lines(body) {
		if name, found := strings.CutPrefix(line, "# HELP "); found && strings.HasPrefix(name, "tx_") {
			name, _, _ = strings.Cut(name, " ")
			shown[name] = true
			contains(t, own, "| `"+name+"` |")
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tx_\\w+)` \\|").FindAllStringSubmatch(own, -1) {
		if !shown[m[1]] {
			t.Errorf("docs/OPERATIONS.md tells of %s, which does not exist", m[1])
		}
	}
}

func TestWhatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := start(t, data, "--dev")
	refused := func(want string, args ...string) {
		t.Helper()
		r := run(t, nil, append([]string{"serve", "--dev"}, args...)...)
		if r.code != exitFailure {
			t.Errorf("%v: exit code %d", args, r.code)
		}
		contains(t, r.errors, want)
	}
	refused("in use by another concord process", "--data", data, "--tc", "127.0.0.1:0", "--http", "127.0.0.1:0")
	refused("tc: another process listens on "+s.tc, "--data", t.TempDir(), "--tc", s.tc, "--http", "127.0.0.1:0")
	refused("another address with --http", "--data", t.TempDir(), "--tc", "127.0.0.1:0", "--http", s.http)
	refused("data directory", "--data", "/dev/null/x", "--tc", "127.0.0.1:0", "--http", "127.0.0.1:0")
	refused("this machine has no address", "--data", t.TempDir(), "--tc", "192.0.2.1:0", "--http", "127.0.0.1:0")
	contains(t, s.ok("tx", "list"), "No transaction matches.")
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	r := run(t, []string{"CONCORD_LOG_LEVEL=debug"}, "serve", "--print-config", "--auth-keys", "a:hunter2", "--config",
		writeFile(t, "retry: {first: 2s}\n"))
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	contains(t, r.out, `level: "debug"  # environment CONCORD_LOG_LEVEL`, "first: 2s  # file ", "# default",
		"(1, not shown)  # flag --auth-keys")
	if strings.Contains(r.out, "hunter2") {
		t.Error("a secret is printed")
	}
	for _, tt := range []struct {
		want    string
		environ []string
		args    []string
	}{
		{"did you mean CONCORD_RETRY_FIRST?", []string{"CONCORD_RETRY_FRIST=1s"}, nil},
		{"did you mean --retry-first?", nil, []string{"--retry-frist=1s"}},
		{"did you mean retry.first?", nil, []string{"--config", writeFile(t, "retry: {frist: 2s}")}},
		{"must be a loopback address", nil, []string{"--dev", "--http", "0.0.0.0:0"}},
		{"another console is served with dev alone", nil, []string{"--console-dir", "/tmp"}},
		{"no such file", nil, []string{"--config", "/nowhere.yaml"}},
		{"write a time with its unit", nil, []string{"--limits-lock-wait", "3"}},
		{"takes no arguments", nil, []string{"now"}},
		{"retry in ", nil, []string{"--config", writeFile(t, "retry: 5")}},
		{"group of keys, as in retry.first", nil, []string{"--config", writeFile(t, "retry: 5")}},
		{"log.level (environment CONCORD_LOG_LEVEL): ", []string{"CONCORD_LOG_LEVEL=loud"}, nil},
		{"they need one each", nil, []string{"--tc", "127.0.0.1:7", "--http", "127.0.0.1:7"}},
		{"the port that it reaches", nil, []string{"--advertise", "10.0.0.5:0"}},
		{"128 characters", nil, []string{"--advertise", strings.Repeat("x", 110) + ":1"}},
		{"characters that no address has", nil, []string{"--advertise", "a b:1"}},
	} {
		r := run(t, tt.environ, append([]string{"serve"}, tt.args...)...)
		if r.code != exitUsage {
			t.Errorf("%v: exit code %d", tt.args, r.code)
		}
		contains(t, r.errors, tt.want, "serve --help")
	}
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, `unknown command "foo"`, []string{"foo"}},
		{exitUsage, "there are: list, show", []string{"tx", "foo"}},
		{exitUsage, "name one transaction", []string{"tx", "show"}},
		{exitUsage, "name the transaction", []string{"tx", "retry"}},
		{exitUsage, "unknown flag: --stuk", []string{"tx", "list", "--stuk"}},
		{exitUsage, "table or json", []string{"tx", "list", "-o", "xml"}},
		{exitUsage, "--server is an address", []string{"locks", "--server", "localhost"}},
		{exitUsage, "limit is a number", []string{"tx", "list", "--limit", "0"}},
		{exitUsage, `--limit is a whole number, not "x"`, []string{"tx", "list", "--limit", "x"}},
		{exitUsage, `there is no command "concord foo"`, []string{"help", "foo"}},
		{exitUsage, "tx list takes no arguments", []string{"tx", "list", "foo"}},
		{exitUsage, "--waits takes only --limit", []string{"locks", "--waits", "--table", "t"}},
		{exitUsage, "name one transaction", []string{"tx", "show", ""}},
		{exitUsage, "table or json", []string{"version", "-o", "xml"}},
		{exitUsage, "status is one of Active", []string{"tx", "list", "--status", "happy"}},
		{exitUsage, "an age such as 15m", []string{"tx", "list", "--since", "yesterday"}},
		{exitUsage, `"hello" is no xid`, []string{"tx", "show", "hello"}},
		{exitUsage, "cursor was not made", []string{"tx", "list", "--cursor", "!!"}},
		{exitFailure, "1.2.3.4:1:99: There is no such transaction", []string{"tx", "show", "1.2.3.4:1:99"}},
		{exitFailure, "rollback of 1.2.3.4:1:99: There is no such",
			[]string{"tx", "rollback", "1.2.3.4:1:99", "--yes", "--reason", "x"}},
		{exitUsage, "say why with --reason", []string{"tx", "rollback", "1.2.3.4:1:99"}},
		{exitFailure, "does --server name the HTTP address", []string{"tx", "list", "--server", "http://" + s.http + "/x"}},
		{exitFailure, "does not speak HTTP", []string{"tx", "list", "--server", "http://" + s.tc}},
	} {
		r := s.do(tt.args...)
		if r.code != tt.code || r.out != "" {
			t.Errorf("%v: exit code %d, output %q", tt.args, r.code, r.out)
		}
		contains(t, r.errors, tt.want)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	r := s.do("tx", "list")
	if r.code != exitFailure {
		t.Errorf("%+v", r)
	}
	contains(t, r.errors, "no server answers at http://"+s.http, "concord serve --dev")
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"concord serve --dev", nil},
		{"concord tx list --live", []string{"--help"}},
		{"--retry-slow-delay duration", []string{"serve", "--help"}},
		{"concord tx list --stuck", []string{"tx"}},
		{"--reason", []string{"tx", "rollback", "--help"}},
		{"concord " + release, []string{"version"}},
		{"concord " + release, []string{"--version"}},
		{`"version": "` + release + `"`, []string{"version", "--output", "json"}},
		{"concord tx list --live", []string{"help", "tx", "list"}},
	} {
		r := run(t, nil, tt.args...)
		if r.code != exitOK || r.errors != "" {
			t.Errorf("%v: %+v", tt.args, r)
		}
		contains(t, r.out, tt.want)
	}
}

func TestAdvertisedAddress(t *testing.T) {
	t.Parallel()
	network := func(cidr string) net.Addr {
		ip, n, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		return &net.IPNet{IP: ip, Mask: n.Mask}
	}
	machine := []net.Addr{network("127.0.0.1/8"), network("fe80::1/64"), network("169.254.1.1/16"), network("10.0.0.5/24")}
	for _, tt := range []struct {
		name, set, bound, want string
		machine                []net.Addr
	}{
		{"set", "tx.example:1", "127.0.0.1:8091", "tx.example:1", machine},
		{"bound", "", "10.9.9.9:8091", "10.9.9.9:8091", machine},
		{"all interfaces", "", "[::]:8091", "10.0.0.5:8091", machine},
		{"all interfaces, IPv4", "", "0.0.0.0:8091", "10.0.0.5:8091", machine},
		{"only loopback", "", "[::]:8091", "127.0.0.1:8091", machine[:1]},
	} {
		bound, err := net.ResolveTCPAddr("tcp", tt.bound)
		if err != nil {
			t.Fatal(err)
		}
		if got := advertised(tt.set, bound, tt.machine); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
