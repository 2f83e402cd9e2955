//go:build parts

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	library "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/web"
)

// decides makes a decision and returns its xid.
func (p *process) decides(c *peer, outcome string) string {
	p.t.Helper()
	xid := c.begin("buy", "orders:1")
	if status, _, text := p.api("POST", "/transactions/"+xid+"/"+outcome, ""); status != http.StatusOK {
		p.t.Fatalf("%s of %s: %d %s\n%s", outcome, xid, status, text, p.logs())
	}
	return xid
}

// listed lists published decisions.
func (p *process) listed(args ...string) (xids []string) {
	p.t.Helper()
	var page web.Page[web.DecisionEntry]
	raw := p.ok(append([]string{"decisions", "list", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(raw), &page); err != nil {
		p.t.Fatalf("%v: %s", err, raw)
	}
	for _, d := range page.Items {
		if !strings.Contains(string(d.Event), d.XID) || d.Broker == "" || d.Pack == "" {
			p.t.Errorf("%+v", d)
		}
		xids = append(xids, d.XID)
	}
	return xids
}

// sse reads the stream of decisions until stop: the ids of its events and their data, in turn.
func (p *process) sse(last string) (lines <-chan string, stop func()) {
	p.t.Helper()
	ctx, stop := context.WithCancel(p.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.http+"/api/v1/decisions/stream", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%v %+v\n%s", err, resp, p.logs())
	}
	out := make(chan string, 1000)
	go func() {
		defer close(out)
		defer func() { _ = resp.Body.Close() }()
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			out <- scan.Text()
		}
	}()
	return out, stop
}

// TestDecisionsOnABrokerAreListedAndFollowed: by time, by xid, and as they come, also after a pause at another node.
func TestDecisionsOnABrokerAreListedAndFollowed(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a, b := s.node("a"), s.node("b")
	pa := participant(t, a)
	first := a.decides(pa, "commit")
	a.until(first, func() string { return fmt.Sprint(a.listed("--xid", first)) })
	lines := a.follows("--follow", "--from", "oldest")
	contains(t, awaitLine(t, lines, first), "commit", "/buy")
	stream, stop := a.sse("")
	place, _ := strings.CutPrefix(awaitLine(t, stream, "id: "), "id: ")
	second := b.decides(pa, "rollback")
	contains(t, awaitLine(t, lines, second), "rollback")
	contains(t, awaitLine(t, stream, second), "data: {")
	stop()
	third := a.decides(pa, "commit")
	resumed, stop := b.sse(place)
	defer stop()
	missing := map[string]bool{second: true, third: true}
	for len(missing) > 0 {
		line := awaitLine(t, resumed, "data: ")
		for xid := range missing {
			if strings.Contains(line, xid+`"`) {
				delete(missing, xid)
			}
		}
		if strings.Contains(line, first+`"`) {
			t.Errorf("what was read before: %s", line)
		}
	}
	contains(t, fmt.Sprint(b.listed()), first, second, third)
	contains(t, fmt.Sprint(b.listed("--since", "1h")), first, second, third)
	if got := b.listed("--until", "1h"); len(got) != 0 {
		t.Errorf("an hour ago: %v", got)
	}
	if got := fmt.Sprint(b.listed("--outcome", "rollback")); got != "["+second+"]" {
		t.Errorf("rollbacks: %s", got)
	}
	number := third[strings.LastIndexByte(third, ':')+1:]
	for _, xid := range []string{third, number} {
		if got := b.listed("--xid", xid); len(got) == 0 || got[0] != third {
			t.Errorf("%s: %v", xid, got)
		}
	}
	contains(t, b.ok("decisions", "show", third), "as stored")
	began := time.Now()
	if got := b.listed("--xid", "10.0.0.1:8091:777777"); len(got) != 0 || time.Since(began) > 20*time.Second {
		t.Errorf("nobody's, after %v: %v", time.Since(began), got)
	}
	fromAPlace(t, a, second)
	queuesAreTold(t, b)
	status, code, text := a.api("GET", "/decisions/stream?from=nowhere", "")
	if status != 400 || code != "cursorMalformed" {
		t.Errorf("%d %s", status, text)
	}
}

// givesUp starts a consumer group that fails to handle what it gets, once each.
func (s *site) givesUp(group string) {
	s.t.Helper()
	c, err := library.NewPushConsumer(
		consumer.WithNsResolver(primitive.NewPassthroughResolver([]string{s.outside.nameServer(s.t)})),
		consumer.WithGroupName(group), consumer.WithInstance(group), consumer.WithMaxReconsumeTimes(0),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	)
	if err == nil {
		err = c.Subscribe(rocketmq.CommitTopic(s.name), consumer.MessageSelector{},
			func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
				return consumer.ConsumeRetryLater, nil
			})
	}
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Shutdown() })
}

// TestDeadLettersOnABrokerAreHandledFromTheCommandLine: as those of one machine are, on whichever node.
// queuesAreTold expects all queues of both topics, with Concord's own group in them and three decisions.
func queuesAreTold(t *testing.T, b *process) {
	t.Helper()
	var view web.QueuesView
	status, _, text := b.api("GET", "/queues", "")
	if err := json.Unmarshal([]byte(text), &view); err != nil || status != 200 || view.Partial || view.At == "" {
		t.Fatalf("%d %s %v", status, text, err)
	}
	topics, messages := map[string]bool{}, int64(0)
	for _, q := range view.Items {
		if q.Group == "" || q.Broker == "" || q.Lag == nil || *q.Lag > q.End-q.Oldest {
			t.Errorf("%s", text)
		}
		topics[q.Topic] = true
		messages += q.End - q.Oldest
	}
	if len(topics) != 2 || messages < 2 || messages > 3 {
		t.Errorf("%s", text)
	}
}

// fromAPlace expects the one rollback at its place, and not behind it.
func fromAPlace(t *testing.T, a *process, second string) {
	t.Helper()
	var page web.Page[web.DecisionEntry]
	status, _, text := a.api("GET", "/decisions?outcome=rollback", "")
	if err := json.Unmarshal([]byte(text), &page); err != nil || status != 200 || len(page.Items) != 1 {
		t.Fatalf("%d %s %v", status, text, err)
	}
	at := page.Items[0]
	for offset, want := range map[int64]int{at.Offset: 1, at.Offset + 1: 0} {
		place := rocketmq.Place{Topic: at.Topic, Broker: at.Broker, Queue: at.Queue, Offset: offset}
		status, _, text := a.api("GET", "/decisions?outcome=rollback&from="+place.String(), "")
		if status != 200 || strings.Count(text, `"`+second+`"`) < want || want == 0 && strings.Contains(text, second) {
			t.Errorf("from %v: %d %s", place, status, text)
		}
	}
	status, code, text := a.api("GET", "/decisions?from=17", "")
	if status != 400 || !strings.Contains(text, "TOPIC/BROKER/QUEUE/OFFSET") {
		t.Errorf("%d %s %s", status, code, text)
	}
}

func TestDeadLettersOnABrokerAreHandledFromTheCommandLine(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a, b := s.node("a"), s.node("b")
	c := participant(t, a)
	group := s.name + "-mail"
	xids := []string{a.decides(c, "commit"), a.decides(c, "commit")}
	s.givesUp(group)
	letters := []string{"decisions", "deadletters"}
	a.until("listed", func() string {
		r := a.do(append(letters, "list", group)...)
		if strings.Contains(r.out, xids[0]) && strings.Contains(r.out, xids[1]) {
			return "listed"
		}
		return r.out + r.errors
	})
	var page web.Page[web.EventLetter]
	_, _, raw := b.api("GET", "/events/groups/"+group+"/deadletters", "") // the command line indents it
	if err := json.Unmarshal([]byte(raw), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 2 {
		t.Fatalf("%+v", page.Items)
	}
	for _, l := range page.Items {
		if l.Topic != rocketmq.CommitTopic(s.name) || l.Attempts != 1 || l.Origin == nil || !l.Origin.Found ||
			l.Properties[rocketmq.PropertyPack] == "" || !strings.HasPrefix(string(l.Event), "[{") {
			t.Errorf("%+v", l)
		}
	}
	contains(t, b.ok(append(letters, "groups")...), group)
	first, second := page.Items[0], page.Items[1]
	contains(t, b.ok(append(letters, "show", group, first.ID)...), `"messageId"`)
	contains(t, b.ok(append(letters, "discard", group, first.ID, "--reason", "the customer is gone")...), "is discarded")
	contains(t, a.ok(append(letters, "replay", group, second.ID, "--reason", "mended")...), "again")
	a.until("1 copies", func() string { return fmt.Sprint(len(s.messages("%RETRY%"+group)), " copies") })
	if got := string(s.messages("%RETRY%" + group)[0].Body); got != string(second.Event) {
		t.Errorf("the copy is %s, not %s", got, second.Event)
	}
	for _, what := range []string{"discard", "replay"} {
		for _, l := range page.Items {
			if r := a.do(append(letters, what, group, l.ID, "--reason", "x")...); r.code != exitFailure ||
				!strings.Contains(r.errors, "no such dead letter") {
				t.Errorf("%s %s: %+v", what, l.ID, r)
			}
		}
	}
	log := b.ok("audit", "log")
	contains(t, log, "deadletter.discard", group+"/"+first.ID, "the customer is gone", "deadletter.replay", "mended")
	r := a.do(append(letters, "list", "nobody")...)
	if r.code != exitFailure || !strings.Contains(r.errors, "no consumer group") {
		t.Errorf("%+v", r)
	}
}
