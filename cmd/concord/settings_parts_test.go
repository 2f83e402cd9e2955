//go:build parts

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/concord-tx/concord/web"
)

// clusterMetrics is the heading of the metrics that only nodes of a cluster have.
const clusterMetrics = "### Of a cluster"

// timeoutOf begins a transaction that asks for ten minutes and returns what it was given, in milliseconds.
func (p *process) timeoutOf() int64 {
	p.t.Helper()
	var tx web.TransactionDetail
	p.post("POST", "/transactions", `{"timeoutMs": 600000}`, &tx)
	return tx.TimeoutMs
}

// TestSettingsAreInForceOnAllNodes: what is set at one node counts at the others within seconds, survives a restart,
// and is taken back by unset.
func TestSettingsAreInForceOnAllNodes(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a, b := s.node("a"), s.node("b", "--limits-timeout-max", "5m")
	times := func(p *process, want string) {
		t.Helper()
		p.until(want, func() string { return strconv.FormatInt(p.timeoutOf(), 10) + " ms" })
	}
	times(a, "600000 ms")
	times(b, "300000 ms")
	contains(t, a.ok("settings", "set", "limits.timeoutMax", "90s"), "limits.timeoutMax is 1m30s on every node")
	times(a, "90000 ms")
	times(b, "90000 ms")
	contains(t, b.ok("settings"), "SETTING", "NODE'S OWN", "cli (kim)")
	var page web.Page[web.SettingView]
	if err := json.Unmarshal([]byte(b.ok("settings", "-o", "json")), &page); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, v := range page.Items {
		if v.Doc == "" || v.Changed != (v.Key == "limits.timeoutMax") {
			t.Errorf("%+v", v)
		}
		found = found || v.Key == "limits.timeoutMax" && v.Value == "1m30s" && v.Own == "5m0s" && v.ChangedBy == "cli (kim)"
	}
	if !found {
		t.Errorf("%+v", page.Items)
	}
	b.kill()
	b = s.node("b", "--limits-timeout-max", "4m")
	times(b, "90000 ms")
	s.wrongSettings(a)

	// A version that is yet to come has settings that this one does not know, and other values.
	s.exec("INSERT INTO concord_setting (name, value, version, changed_by, changed_at) VALUES " +
		"('limits.future', '1', 99, '', 1), ('limits.branchesMax', 'plenty', 99, '', 1)")
	contains(t, a.ok("settings", "set", "limits.timeoutMax", "80s"), "1m20s")
	times(b, "80000 ms")
	contains(t, b.logs(), "is not understood and left out", `"setting":"limits.future"`, `"setting":"limits.branchesMax"`)

	contains(t, b.ok("settings", "unset", "limits.timeoutMax"), "limits.timeoutMax is 4m0s")
	times(a, "600000 ms")
	times(b, "240000 ms")
}

// wrongSettings changes nothing.
func (s *site) wrongSettings(p *process) {
	t := s.t
	t.Helper()
	for _, tt := range []struct {
		code int
		args string
		says string
	}{
		{exitFailure, "settings set limits.nonsense 1", "limits.nonsense: it cannot be changed at run time"},
		{exitFailure, "settings set mysql.dsn x", "mysql.dsn: it cannot be changed at run time"},
		{exitFailure, "settings unset limits.nonsense", "limits.nonsense"},
		{exitUsage, "settings set limits.timeoutMax soon", "write a time with its unit"},
		{exitUsage, "settings set limits.timeoutMax 1ms", "limits.timeoutMax"},
		{exitUsage, "settings set rocketmq.mode maybe", "none of queue, refuse"},
		{exitUsage, "settings set limits.timeoutMax", "VALUE is missing"},
		{exitUsage, "settings set", "KEY is missing"},
		{exitUsage, "settings unset", "KEY is missing"},
		{exitUsage, "settings set a b c", "one argument too many"},
		{exitUsage, "settings change", "settings takes no arguments"},
		{exitUsage, "nodes all", "nodes takes no arguments"},
		{exitUsage, "nodes -o xml", "table or json"},
		{exitFailure, "events groups", s.name + "-commit"},
		{exitFailure, "events tail", s.name + "-rollback"},
	} {
		r := p.do(strings.Fields(tt.args)...)
		if r.code != tt.code || r.out != "" {
			t.Errorf("%s: exit code %d, output %q", tt.args, r.code, r.out)
		}
		contains(t, r.errors, tt.says)
	}
	status, _, text := p.api("PUT", "/settings/limits.timeoutMax", `{"valeu": "1s"}`)
	if status != http.StatusBadRequest {
		t.Errorf("%d %s", status, text)
	}
}

// TestTheOutageModeChangesAtRunTime: what a decision does without a broker is the cluster's to change.
func TestTheOutageModeChangesAtRunTime(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	p := s.node("a", "--rocketmq-namesrv", closedPort(t)) // it starts, and says what is wrong
	contains(t, p.logs(), "decisions cannot be published yet", "--rocketmq-namesrv")
	p.degrades("publicationLate")
	c := participant(t, p)
	first, second := c.begin("first", "orders:1"), c.begin("second", "orders:2")
	p.commit(first)
	p.ends(first)
	p.ok("settings", "set", "rocketmq.mode", "refuse")
	p.refuses("brokerAway")
	status, code, text := p.api("POST", "/transactions/"+second+"/commit", "")
	if status != http.StatusServiceUnavailable || code != "unavailable" {
		t.Errorf("commit in mode refuse: %d %s", status, text)
	}
	contains(t, p.ok("tx", "show", second), "Active")
	p.ok("settings", "unset", "rocketmq.mode")
	p.degrades("publicationLate")
	p.commit(second)
	p.ends(second)
}

func TestMigrateCanBeRunAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	first := run(t, s.environ(), "migrate")
	again := run(t, s.environ(), "migrate")
	file := run(t, nil, "migrate", "--config", writeFile(t, "mysql: {dsn: \""+s.dsn()+"\"}\nmq: {prefix: x}\n"))
	for _, r := range []ran{first, again, file} {
		if r.code != exitOK {
			t.Errorf("%+v", r)
		}
		s.silent(r.out + r.errors)
	}
	contains(t, first.out, "The tables were brought from version 0 to ")
	contains(t, again.out, "The tables are up to date: version ")
	contains(t, file.out, "The tables are up to date: version ")
	s.refused(exitUsage, []string{"CONCORD_MYSQL_DSN="}, []string{"migrate"}, "no database", "--mysql-dsn",
		"CONCORD_MYSQL_DSN")
	s.refused(exitUsage, nil, []string{"migrate", "now"}, "takes no arguments")
	s.refused(exitUsage, nil, []string{"migrate", "--config", "/nowhere.yaml"}, "no such file")
	s.refused(exitFailure, []string{"CONCORD_MYSQL_DSN=app:" + password + "x@tcp(" + shared.database(t) + ")/" + s.name},
		[]string{"migrate"}, "refuses user or password", "--mysql-dsn")
	// A server that says nothing must not make it wait for ever.
	s.refused(exitFailure, []string{"CONCORD_MYSQL_DSN=app:" + password + "@tcp(" + shared.nameServer(t) + ")/" + s.name},
		[]string{"migrate"}, "host and port in --mysql-dsn")
}

// TestEveryMetricOfAClusterIsDocumented compares what nodes show with docs/OPERATIONS.md.
func TestEveryMetricOfAClusterIsDocumented(t *testing.T) {
	t.Parallel()
	operations, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, shared)
	shown := map[string]bool{}
	for _, p := range []*process{
		s.node("a"), s.node("b", "--mq", "off", "--rocketmq-namesrv", ""),
	} {
		p.healthy()
		_, body := p.get("/metrics")
		for line := range strings.Lines(body) {
			if name, found := strings.CutPrefix(line, "# HELP "); found && strings.HasPrefix(name, "tx_") {
				name, help, _ := strings.Cut(strings.TrimSpace(name), " ")
				shown[name] = true
				contains(t, string(operations), "| `"+name+"` |", help)
			}
		}
	}
	_, cluster, found := strings.Cut(string(operations), clusterMetrics)
	if !found {
		t.Fatalf("%q is missing", clusterMetrics)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tx_\\w+)` \\|").FindAllStringSubmatch(cluster, -1) {
		if !shown[m[1]] {
			t.Errorf("docs/OPERATIONS.md tells of %s, which does not exist", m[1])
		}
	}
}
