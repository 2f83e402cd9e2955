package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/web"
)

// post sends a request that must succeed and decodes the answer.
func (p *process) post(method, path, body string, out any) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.http+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		p.t.Fatalf("%s %s: %d %v\n%s", method, path, resp.StatusCode, err, text)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		p.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// poll takes what a group is given until something comes, and acknowledges it. It fails if nothing comes for long.
func (p *process) poll(group string) (deliveries []web.EventDelivery) {
	p.t.Helper()
	for until := time.Now().Add(patience); len(deliveries) == 0; {
		if time.Now().After(until) {
			p.t.Fatalf("nothing came for %s\n%s", group, p.logs())
		}
		var page web.Page[web.EventDelivery]
		p.post("POST", "/events/groups/"+group+"/poll?wait=20s", "", &page)
		deliveries = page.Items
	}
	var ids []string
	for _, d := range deliveries {
		ids = append(ids, d.Delivery)
	}
	answer, err := json.Marshal(map[string]any{"deliveries": ids})
	if err != nil {
		p.t.Fatal(err)
	}
	p.post("POST", "/events/groups/"+group+"/ack", string(answer), nil)
	return deliveries
}

// TestTopicBranchesSurviveCrashes: a message is published on commit and on nothing else; after a crash the participant
// may report still, and a message that was not published is.
func TestTopicBranchesSurviveCrashes(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := start(t, data, "--dev")
	s.post("PUT", "/events/groups/stock", `{"topics":["stock"],"from":"oldest"}`, nil)
	s.post("PUT", "/events/groups/commits", `{"from":"oldest"}`, nil)
	begin := func() (id string) {
		var tx web.TransactionDetail
		s.post("POST", "/transactions", `{"application":"shop","group":"g","name":"buy"}`, &tx)
		s.post("POST", "/transactions/"+tx.ID+"/branches", `{"kind":"topic","topic":"mails","payload":"hello"}`, nil)
		s.post("POST", "/transactions/"+tx.ID+"/branches",
			`{"kind":"topic","topic":"stock","payload":"{\"sku\":\"<7>\"}","ack":"report"}`, nil)
		return tx.ID
	}
	dropped := begin()
	s.post("POST", "/transactions/"+dropped+"/rollback", "", nil)
	kept := begin()
	var committed web.TransactionDetail
	s.post("POST", "/transactions/"+kept+"/commit", "", &committed)
	if committed.Status != "Committing" {
		t.Errorf("the commit was answered with %s", committed.Status)
	}
	s.kill()
	s = start(t, data, "--dev")
	got := s.poll("stock")
	var message struct {
		ID, TraceParent string
		Data            struct{ XID, Payload, Ack, ReportTo string }
	}
	if err := json.Unmarshal(got[0].Event, &message); err != nil {
		t.Fatalf("%v in %s", err, got[0].Event)
	}
	if d := message.Data; !strings.HasSuffix(d.XID, ":"+kept) || d.Payload != `{"sku":"<7>"}` || d.Ack != "report" ||
		message.TraceParent == "" {
		t.Fatalf("message %+v", message)
	}
	s.eventually("Published", "tx", "show", kept)
	s.kill()
	s = start(t, data, "--dev")
	contains(t, s.ok("tx", "show", kept), "Committing")
	s.post("POST", strings.TrimPrefix(message.Data.ReportTo, "/api/v1"), `{"state":"done"}`, nil)
	s.eventually("Committed", "tx", "show", kept)
	decisions := s.poll("commits")
	if len(decisions) != 2 || decisions[0].Topic != "concord-rollback" || decisions[1].Topic != "concord-commit" {
		t.Errorf("decisions: %+v", decisions)
	}
	out := s.ok("events", "groups")
	contains(t, out, "commits", "all decisions", "stock")
	out = s.ok("events", "tail", "--from", "oldest", "--topics", "concord-commit,concord-rollback", "--count", "2")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 2 || lines[1] != string(decisions[1].Event) {
		t.Errorf("tail shows\n%s\nnot\n%s", out, decisions[1].Event)
	}
	if r := s.do("events", "tail", "--from", "there"); r.code != exitUsage {
		t.Errorf("tail --from there: %d %s", r.code, r.errors)
	}
	if r := s.do("events", "tail", "--from", "4711", "--topics", "concord-commit", "--count", "1"); r.code != exitOK {
		t.Errorf("tail from nowhere: %d %s", r.code, r.errors)
	} else {
		contains(t, r.errors, "are gone")
	}
}

// TestMessagesComeAgainWithoutAReport: the same bytes, and after some of them somebody is told.
func TestMessagesComeAgainWithoutAReport(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev", "--retry-report", "200ms", "--retry-reports", "2")
	s.post("PUT", "/events/groups/stock", `{"topics":["stock"]}`, nil)
	var tx web.TransactionDetail
	s.post("POST", "/transactions", "", &tx)
	var branch web.Branch
	s.post("POST", "/transactions/"+tx.ID+"/branches", `{"kind":"topic","topic":"stock","ack":"report"}`, &branch)
	s.post("POST", "/transactions/"+tx.ID+"/commit", "", nil)
	first, again := s.poll("stock"), s.poll("stock")
	if string(first[0].Event) != string(again[0].Event) || first[0].Seq == again[0].Seq {
		t.Errorf("%d %s and then %d %s", first[0].Seq, first[0].Event, again[0].Seq, again[0].Event)
	}
	s.eventually(`"retriesUsedUp"`, "tx", "list", "--stuck", "-o", "json")
	contains(t, s.ok("tx", "show", tx.ID), "no report within 200ms")
	s.post("POST", "/transactions/"+tx.ID+"/branches/"+branch.ID+"/report", `{"state":"refused","message":"no"}`, nil)
	s.eventually(`"refused"`, "tx", "list", "--stuck", "-o", "json")
	s.ok("tx", "retry", tx.ID, "--yes", "--no-wait", "--reason", "test")
	s.post("POST", "/transactions/"+tx.ID+"/branches/"+branch.ID+"/report", `{"state":"done"}`, nil)
	s.eventually("Committed", "tx", "show", tx.ID)
}
