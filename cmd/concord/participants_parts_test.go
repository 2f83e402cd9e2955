//go:build parts

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/web"
)

// topic makes a topic on the site's broker, which makes none by itself.
func (s *site) topic(name string) string {
	s.t.Helper()
	names := primitive.NewPassthroughResolver([]string{s.outside.nameServer(s.t)})
	a, err := admin.NewAdmin(admin.WithResolver(names))
	if err == nil {
		err = a.CreateTopic(s.t.Context(), admin.WithTopicCreate(name),
			admin.WithBrokerAddrCreate("127.0.0.1:"+s.outside.text(s.t, "rocketmq/broker-a/port")))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = a.Close() })
	return name
}

// messages reads a topic from its beginning.
func (s *site) messages(topic string) (all []rocketmq.Message) {
	s.t.Helper()
	o := rocketmq.ReadOptions{
		NameServers: []string{s.outside.nameServer(s.t)}, Prefix: s.name, Topics: []string{topic},
	}
	err := rocketmq.Read(s.t.Context(), o, func(m rocketmq.Message) error { all = append(all, m); return nil })
	if err != nil && !strings.Contains(err.Error(), "does not exist") {
		s.t.Fatal(err)
	}
	return all
}

// confirmed is a participant over HTTP that notes what it was asked. While it hangs, a first call gets no answer.
type confirmed struct {
	*httptest.Server
	mu    sync.Mutex
	hangs bool
	calls map[string][]string // by xid: "operation key", in order
}

func confirming(t *testing.T) *confirmed {
	t.Helper()
	p := &confirmed{calls: map[string][]string{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the caller has gone
		h := r.Header
		xid := h.Get("Concord-Xid")
		p.mu.Lock()
		p.calls[xid] = append(p.calls[xid], h.Get("Concord-Operation")+" "+h.Get("Idempotency-Key"))
		hangs := p.hangs && len(p.calls[xid]) == 1
		p.mu.Unlock()
		if hangs {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *confirmed) of(xid string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.calls[xid]...)
}

// begins begins a transaction with a participant over HTTP and one that gets a message.
func (p *process) begins(at, topic string) (xid string) {
	p.t.Helper()
	body := fmt.Sprintf(`{"application":"shop","name":"buy","timeoutMs":600000,"branches":[
		{"kind":"tcc","confirmUrl":"%s/confirm","cancelUrl":"%s/cancel","payload":{"sku":7}},
		{"kind":"topic","topic":%q,"payload":"hello"}]}`, at, at, topic)
	status, _, text := p.api("POST", "/transactions", body)
	var g web.TransactionDetail
	if err := json.Unmarshal([]byte(text), &g); err != nil || status != http.StatusCreated {
		p.t.Fatalf("%d %s %v\n%s", status, text, err, p.logs())
	}
	return g.XID
}

// view is what a node tells of itself and the cluster.
func (p *process) view() (c web.ClusterView) {
	p.t.Helper()
	_, _, text := p.api("GET", "/cluster", "")
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		p.t.Fatalf("%v: %s", err, text)
	}
	return c
}

// underWay returns how many calls a node has made that are not answered.
func (p *process) underWay() (n int) {
	p.t.Helper()
	for _, x := range p.view().Targets {
		n += x.InFlight
	}
	return n
}

// TestParticipantsOverHTTPAreCalledByWhicheverNodeIsLeft: a participant is called once, whatever nodes its transaction
// goes through, and when the node that calls it dies, another one does, with the same key.
func TestParticipantsOverHTTPAreCalledByWhicheverNodeIsLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	topic := s.topic(s.name + "-stock")
	a, b := s.node("a"), s.node("b")
	p := confirming(t)
	xid := a.begins(p.URL, topic)
	b.commit(xid)
	a.ends(xid)
	calls := p.of(xid)
	if len(calls) != 1 || !strings.HasPrefix(calls[0], "confirm ") || len(calls[0]) < 20 {
		t.Errorf("the participant was asked %q", calls)
	}
	published := func(xid string) string {
		n := 0
		for _, m := range s.messages(topic) {
			if m.Keys == xid && strings.Contains(string(m.Body), `"payload":"hello"`) {
				n++
			}
		}
		return fmt.Sprint(n, " messages")
	}
	a.until("1 messages", func() string { return published(xid) })

	p.mu.Lock()
	p.hangs = true
	p.mu.Unlock()
	// Whoever reads the decision from its topic calls: mostly the node that has decided, but not always.
	alone := false
	for range 20 {
		xid = a.begins(p.URL, topic)
		if status, _, text := a.api("POST", "/transactions/"+xid+"/commit", `{"waitMs":0}`); status != http.StatusAccepted {
			t.Fatalf("commit: %d %s", status, text)
		}
		b.until("asked", func() string { return strings.Repeat("asked", len(p.of(xid))) })
		b.until("0 unread", func() string { return fmt.Sprint(b.view().Unpublished, " unread") })
		if alone = a.underWay() == 1 && len(p.of(xid)) == 1; alone {
			break
		}
	}
	if !alone {
		t.Fatalf("the other node has called, too: %q", p.of(xid))
	}
	contains(t, b.ok("tx", "show", xid), "Committing")
	a.kill()
	killed := time.Now()
	b.ends(xid)
	t.Logf("the other node has ended it after %v", time.Since(killed).Round(time.Millisecond))
	calls = p.of(xid)
	if len(calls) < 2 || !strings.HasPrefix(calls[0], "confirm ") {
		t.Errorf("the participant was asked %q", calls)
	}
	for _, c := range calls {
		if c != calls[0] {
			t.Errorf("keys differ: %q", calls)
		}
	}
	if got := published(xid); strings.HasPrefix(got, "0") {
		t.Error("the message of the other branch is missing")
	}
}
