//go:build parts

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/concord-tx/concord/tc/seata"
	"github.com/concord-tx/concord/web"
)

// What tests ask of a node.

// api sends a request; code is that of a problem, "" if there is none.
func (p *process) api(method, path, body string) (status int, code, text string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.http+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.logs())
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var problem web.Problem
	_ = json.Unmarshal(raw, &problem) // what is no problem has no code
	return resp.StatusCode, problem.Code, string(raw)
}

// commit asks for a commit that must be accepted.
func (p *process) commit(xid string) {
	p.t.Helper()
	if status, _, text := p.api("POST", "/transactions/"+xid+"/commit", ""); status != http.StatusOK {
		p.t.Errorf("commit of %s: %d %s\n%s", xid, status, text, p.logs())
	}
}

// ends waits until a transaction has committed.
func (p *process) ends(xid string) {
	p.t.Helper()
	p.eventually("Committed", "tx", "show", xid)
}

func (p *process) readyz() string {
	p.t.Helper()
	status, body := p.get("/readyz")
	return strconv.Itoa(status) + " " + body
}

// healthy waits until nothing is wrong.
func (p *process) healthy() {
	p.t.Helper()
	p.until(`200 {"ready":true,"reasons":[],"degraded":[]}`, p.readyz)
}

// degrades waits until the node says that a part does not work, while new work is welcome.
func (p *process) degrades(code string) {
	p.t.Helper()
	got := p.until(`"degraded":[{"code":"`+code+`"`, p.readyz)
	contains(p.t, got, `200 {"ready":true,"reasons":[]`)
}

// refuses waits until the node says that new work is not welcome.
func (p *process) refuses(code string) {
	p.t.Helper()
	got := p.until(`"reasons":[{"code":"`+code+`"`, p.readyz)
	contains(p.t, got, `503 {"ready":false`)
}

// metric reads a number without labels; -1 if it is missing.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	_, body := p.get("/metrics")
	for line := range strings.Lines(body) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+" "); found {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return n
		}
	}
	return -1
}

// measures waits until a metric has the value.
func (p *process) measures(name string, want float64) {
	p.t.Helper()
	p.until("yes", func() string {
		if got := p.metric(name); got != want {
			return name + " is " + strconv.FormatFloat(got, 'f', -1, 64)
		}
		return "yes"
	})
}

// nodeOf returns what the node that is asked knows of another one.
func (p *process) nodeOf(id string) web.NodeView {
	p.t.Helper()
	_, _, text := p.api("GET", "/nodes", "")
	var page web.Page[web.NodeView]
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		p.t.Fatalf("%v: %s", err, text)
	}
	all := page.Items
	at := slices.IndexFunc(all, func(n web.NodeView) bool { return n.ID == id })
	if at < 0 {
		return web.NodeView{}
	}
	return all[at]
}

// sees waits until the node that is asked knows another one in the state.
func (p *process) sees(id, state string) {
	p.t.Helper()
	p.until(state, func() string { return p.nodeOf(id).State })
}

// participant connects a client that does what phase two asks for.
func participant(t *testing.T, p *process) *peer {
	t.Helper()
	c := connect(t, p.tc)
	c.answer(seata.BranchCommitted, seata.BranchRollbacked)
	return c
}

// entries lists the nodes that clients find in ZooKeeper.
func (s *site) entries() []string {
	s.t.Helper()
	conn, events, err := zk.Connect([]string{s.outside.registry(s.t)}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	for e := range events {
		if e.State == zk.StateHasSession {
			break
		}
	}
	names, _, err := conn.Children("/registry/zk/" + s.name)
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}
