//go:build parts

package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/concord-tx/concord/tc/seata"
	"github.com/concord-tx/concord/web"
	"github.com/concord-tx/concord/web/journal"
)

// visitor asks nodes over TLS with a key.
type visitor struct {
	t      *testing.T
	client *http.Client
	token  string
}

// ask sends a request; the answer is decoded into out if that is not nil.
func (v *visitor) ask(p *process, method, path, body string, out any) int {
	v.t.Helper()
	url := "https://" + p.http + "/api/v1" + path
	req, err := http.NewRequestWithContext(v.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+v.token)
	resp, err := v.client.Do(req)
	if err != nil {
		v.t.Fatalf("%v\n%s", err, p.logs())
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			v.t.Fatalf("%s: %v", raw, err)
		}
	}
	return resp.StatusCode
}

// TestTwoNodesShareKeysAndOneJournalAndTalkByTLS: keys and the journal are the cluster's, and phase two is handed over
// although the nodes speak TLS alone.
func TestTwoNodesShareKeysAndOneJournalAndTalkByTLS(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	cert, key, pool := issue(t, t.TempDir(), "node")
	flags := []string{
		"--dev=false", "--mq", "off", "--rocketmq-namesrv=", "--tls-cert", cert, "--tls-key", key, "--tls-node-ca", cert,
	}
	a, b := s.node("a", flags...), s.node("b", flags...)
	token := tokenForm.FindString(a.logs())
	if token == "" || tokenForm.MatchString(b.logs()) {
		t.Fatalf("a printed %q, b:\n%s", token, b.logs())
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	admin := &visitor{t, &http.Client{Transport: transport, Timeout: patience}, token}
	var made web.NewKeyView
	if status := admin.ask(a, "POST", "/keys", `{"name":"shop","roles":["service","admin"]}`, &made); status != 201 {
		t.Fatalf("%d\n%s", status, a.logs())
	}
	shop := &visitor{t, admin.client, made.Token}
	if status := shop.ask(b, "GET", "/me", "", nil); status != 200 {
		t.Errorf("the other node answers %d", status)
	}

	rm := connect(t, b.tc)
	rm.answer(seata.BranchCommitted, seata.BranchRollbacked)
	xid := rm.begin("buy", "orders:1")
	if status := shop.ask(a, "POST", "/transactions/"+xid+"/commit", "", nil); status >= 300 {
		t.Errorf("commit: %d", status)
	}
	a.until("Committed", func() string {
		var g web.TransactionDetail
		shop.ask(a, "GET", "/transactions/"+xid, "", &g)
		return g.Status
	})
	if rm.commands() == 0 {
		t.Error("the participant at the other node was not asked")
	}

	if status := admin.ask(b, "DELETE", "/keys/"+made.ID, "", nil); status != 200 {
		t.Errorf("revoke: %d", status)
	}
	a.until("401", func() string { return fmt.Sprint(shop.ask(a, "GET", "/me", "", nil)) })
	for _, node := range []*process{a, b} {
		var report journal.Report
		if status := admin.ask(node, "GET", "/journal/verify", "", &report); status != 200 || !report.Whole ||
			report.Entries < 5 {
			t.Errorf("%d %+v", status, report)
		}
	}
	for _, secret := range []string{token, made.Token} {
		if n := s.number("SELECT COUNT(*) FROM concord_document WHERE INSTR(value, ?) > 0", secret[len(secret)-26:]); n != 0 {
			t.Errorf("a secret is in %d documents", n)
		}
		if strings.Count(a.logs(), made.Token)+strings.Count(b.logs(), made.Token) != 0 {
			t.Error("a secret is in the log")
		}
	}
}
