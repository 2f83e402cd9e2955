package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/callback"
	"github.com/concord-tx/concord/web"
)

// called is a participant that tells what it was asked, and answers as it is told.
type called struct {
	*httptest.Server
	asked  chan *http.Request
	status atomic.Int32
}

func calledParticipant(t *testing.T) *called {
	t.Helper()
	p := &called{asked: make(chan *http.Request, 1000)}
	p.status.Store(200)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		w.WriteHeader(int(p.status.Load()))
		_, _ = io.WriteString(w, "says the participant")
		p.asked <- r
	}))
	t.Cleanup(p.Close)
	return p
}

// next waits for a request.
func (p *called) next(t *testing.T) *http.Request {
	t.Helper()
	select {
	case r := <-p.asked:
		return r
	case <-time.After(60 * time.Second):
		t.Fatal("the participant was not asked within 20 s")
		return nil
	}
}

const signingSecret = "0123456789abcdef"

// TestParticipantsAreCalledByHTTP: both outcomes reach participants, signed, again and again until they have done it,
// and a dead one is in nobody's way.
func TestParticipantsAreCalledByHTTP(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev", "--callback-secrets", "another-secret-16,"+signingSecret,
		"--retry-first", "50ms", "--retry-max", "200ms", "--limits-end-wait", "100ms")
	p, dead := calledParticipant(t), calledParticipant(t)
	dead.Close()
	begin := func(name, at string) string {
		var tx web.TransactionDetail
		s.post("POST", "/transactions", fmt.Sprintf(`{"application":"shop","group":"g","name":%q,"timeoutMs":600000,
			"branches":[{"kind":"tcc","confirmUrl":"%s/confirm?a=b","cancelUrl":"%s/cancel","payload":{"sku":7}}]}`,
			name, at, at), &tx)
		return tx.ID
	}
	for range 50 { // these wait, and nothing else does
		s.post("POST", "/transactions/"+begin("stuck", dead.URL)+"/rollback", "", nil)
	}
	p.status.Store(503)
	id := begin("buy", p.URL)
	s.post("POST", "/transactions/"+id+"/commit", "", nil)
	first, second := p.next(t), p.next(t)
	key := first.Header.Get("Idempotency-Key")
	if key == "" || key != second.Header.Get("Idempotency-Key") || second.Header.Get("Concord-Attempt") != "2" {
		t.Errorf("key %q, then %q", key, second.Header)
	}
	body, _ := io.ReadAll(first.Body)
	if first.URL.Path != "/confirm" || first.FormValue("concord-operation") != "confirm" || string(body) != `{"sku":7}` ||
		first.FormValue("a") != "b" || !strings.HasSuffix(first.FormValue("concord-xid"), ":"+id) {
		t.Errorf("%s %s", first.RequestURI, body)
	}
	var seconds int64
	_, _ = fmt.Sscan(first.Header.Get("Concord-Timestamp"), &seconds)
	want := callback.Sign([]byte(signingSecret), seconds, first.RequestURI, body)
	if got := first.Header.Get("Concord-Signature"); !strings.HasSuffix(got, ","+want) {
		t.Errorf("signature %s, want %s behind the other one", got, want)
	}
	s.until("HTTP 503: says the participant", func() string { return s.ok("tx", "show", id, "-o", "json") })
	p.status.Store(204)
	s.eventually("Committed", "tx", "show", id)

	p.status.Store(200)
	undone := begin("undo", p.URL)
	s.post("POST", "/transactions/"+undone+"/rollback", "", nil)
	s.eventually("RolledBack", "tx", "show", undone)
	p.status.Store(409)
	refused := begin("refused", p.URL)
	s.post("POST", "/transactions/"+refused+"/commit", "", nil)
	s.eventually("STUCK", "tx", "show", refused)
	contains(t, s.ok("tx", "show", refused, "-o", "json"), "says the participant")
	_, metrics := s.get("/metrics")
	contains(t, metrics, `tx_callbacks_total{result="done"} 2`, `tx_callbacks_total{result="refused"} 1`,
		"tx_callback_targets_dead 1", "tx_callback_seconds_total")
}

// TestSendersOfSilentMessagesAreAsked: the answer to the check decides, and a wrong URL decides nothing.
func TestSendersOfSilentMessagesAreAsked(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev", "--retry-first", "50ms", "--retry-max", "200ms", "--limits-end-wait", "100ms")
	sender, receiver := calledParticipant(t), calledParticipant(t)
	sender.status.Store(404)
	prepare := func() string {
		var tx web.TransactionDetail
		s.post("POST", "/messages", fmt.Sprintf(`{"application":"shop","name":"mail","timeoutMs":100,
			"check":{"url":"%s/check"},"deliveries":[{"url":"%s/mail","payload":"hello"}]}`, sender.URL, receiver.URL), &tx)
		return tx.ID
	}
	id := prepare()
	r := sender.next(t)
	if r.URL.Path != "/check" || r.Header.Get("Concord-Operation") != "check" || r.ContentLength != 0 {
		t.Errorf("%s %v", r.RequestURI, r.Header)
	}
	sender.next(t)
	contains(t, s.ok("tx", "show", id), "Active")
	sender.status.Store(200)
	mail := receiver.next(t)
	if body, _ := io.ReadAll(mail.Body); string(body) != "hello" || mail.Header.Get("Concord-Operation") != "commit" {
		t.Errorf("%s %s", mail.RequestURI, body)
	}
	s.eventually("Committed", "tx", "show", id)
	sender.status.Store(409)
	s.eventually("RolledBack", "tx", "show", prepare())
	if len(receiver.asked) != 0 {
		t.Error("a message that was withdrawn was delivered")
	}
}

// TestTargetsThatAreNotListedAreRefused: at the registration, with the setting that would permit them.
func TestTargetsThatAreNotListedAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev", "--callback-allow", "*.shop.example")
	for url, status := range map[string]int{
		"http://169.254.169.254/latest/meta-data/": 400, "http://2130706433/": 400, "https://evil.example/": 400,
		"http://a.shop.example/": 400, "https://u:p@a.shop.example/": 400, "https://a.shop.example/": 201,
		"http://127.0.0.1:7/": 201,
	} {
		body := fmt.Sprintf(`{"name":"x","branches":[{"kind":"http","commitUrl":%q}]}`, url)
		resp, err := http.Post("http://"+s.http+"/api/v1/transactions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %d, want %d\n%s", url, resp.StatusCode, status, text)
		}
		if url == "https://evil.example/" && !strings.Contains(string(text), "callback.allow") {
			t.Errorf("%s", text)
		}
	}
	r := run(t, nil, "serve", "--data", t.TempDir(), "--callback-allow", "st*ck")
	if r.code == 0 || !strings.Contains(r.errors, "callback.allow") {
		t.Errorf("%+v", r)
	}
}
