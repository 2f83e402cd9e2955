package outbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/clienttest"
)

// heard is what a consumer was given, in order.
type heard struct {
	mu     sync.Mutex
	events []Event
}

func (h *heard) add(e Event) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	return len(h.events)
}

// distinct are the ids, each where it came first.
func (h *heard) distinct() (ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if !slices.Contains(ids, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// reaches waits until n different events were heard.
func (h *heard) reaches(t *testing.T, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(clienttest.Patience); ; <-time.After(10 * time.Millisecond) {
		switch ids := h.distinct(); {
		case len(ids) >= n:
			return ids
		case time.Now().After(deadline):
			t.Fatalf("%d events, not %d: %v", len(ids), n, ids)
		}
	}
}

// calls waits until there were n calls.
func (h *heard) calls(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(clienttest.Patience); ; <-time.After(10 * time.Millisecond) {
		h.mu.Lock()
		calls := len(h.events)
		h.mu.Unlock()
		switch {
		case calls >= n:
			return
		case time.Now().After(deadline):
			t.Fatalf("%d calls, not %d", calls, n)
		}
	}
}

func connect(t *testing.T, p *clienttest.Process) *api.Client {
	t.Helper()
	c, err := api.New(api.Options{Endpoints: []string{p.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// listen runs a consumer until the test ends.
func listen(t *testing.T, o ConsumerOptions) {
	t.Helper()
	o.Wait = time.Second
	c, err := NewConsumer(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
}

// TestEventsGoThroughConcord publishes through a real coordinator and reads there, over a restart of it.
func TestEventsGoThroughConcord(t *testing.T) {
	t.Parallel()
	server := clienttest.Run(t)
	c := connect(t, server)
	var got heard
	listen(t, ConsumerOptions{API: c, Group: "mail", Topics: []string{"orders"}, Concurrency: 4, Handler: func(
		_ context.Context, e Event,
	) error {
		if n := got.add(e); n == 3 {
			return errors.New("not now") // it comes again
		} else if n == 5 {
			panic("boom")
		}
		return nil
	}})
	p := NewConcordPublisher(c, ConcordOptions{Application: "shop"})
	const waves = 10
	for i := range waves {
		if i == waves/2 {
			server.Restart()
		}
		events := []Event{
			{ID: fmt.Sprintf("a%d", i), Topic: "orders", Key: "a", Type: "placed", Source: "/shop", Data: []byte(`{"n":1}`)},
			{ID: fmt.Sprintf("b%d", i), Topic: "orders", Key: "b", Type: "placed", Source: "/shop"},
			{ID: fmt.Sprintf("x%d", i), Topic: "others", Type: "placed", Source: "/shop"},
		}
		if errs := p.Publish(t.Context(), events); errs != nil {
			t.Fatal(errs)
		}
	}
	got.calls(t, 2*waves+2) // a failure and a panic come again
	ids := got.reaches(t, 2*waves)
	if len(ids) != 2*waves {
		t.Errorf("%v", ids)
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	if e := got.events[0]; e.Topic != "orders" || e.Type != "placed" || e.Source != "/shop" {
		t.Errorf("%+v", e)
	}
}

// TestTheOrderIsKeptThroughConcord has nothing fail, and looks at the order of each key.
func TestTheOrderIsKeptThroughConcord(t *testing.T) {
	t.Parallel()
	c := connect(t, clienttest.Run(t))
	m := &memory{}
	m.add(90, func(i int) string { return fmt.Sprint(i % 9) })
	for i := range m.rows {
		m.rows[i].event.Source = "/shop"
	}
	var got heard
	listen(t, ConsumerOptions{API: c, Group: "g", Topics: []string{"t"}, Concurrency: 9, Handler: func(
		_ context.Context, e Event,
	) error {
		got.add(e)
		return nil
	}})
	run(t, m, relayOf(t, m, "one", NewConcordPublisher(c, ConcordOptions{}), 50))
	got.reaches(t, 90)
	got.mu.Lock()
	defer got.mu.Unlock()
	last := map[string]int{}
	for _, e := range got.events {
		var n int
		if _, err := fmt.Sscan(e.ID, &n); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[e.Key]; ok && n <= before {
			t.Errorf("key %s: %d comes behind %d", e.Key, n, before)
		}
		last[e.Key] = n
	}
}

// TestDecisionsAreEvents reads what Concord itself publishes.
func TestDecisionsAreEvents(t *testing.T) {
	t.Parallel()
	c := connect(t, clienttest.Run(t))
	var got heard
	listen(t, ConsumerOptions{API: c, Group: "g", Topics: []string{"concord-commit"}, Handler: func(
		_ context.Context, e Event,
	) error {
		got.add(e)
		return nil
	}})
	p := NewConcordPublisher(c, ConcordOptions{Application: "shop", Group: "blue"})
	if errs := p.Publish(t.Context(), []Event{{ID: "1", Topic: "t", Type: "a", Source: "/s"}}); errs != nil {
		t.Fatal(errs)
	}
	got.reaches(t, 1)
	got.mu.Lock()
	defer got.mu.Unlock()
	if e := got.events[0]; e.Type != "io.concord.decision.commit" || e.Topic != "concord-commit" || len(e.Data) == 0 {
		t.Errorf("%+v", e)
	}
}

// TestAServerWithoutEventsIsSaidToBeOne has what a server on RocketMQ answers.
func TestAServerWithoutEventsIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"code": "eventsElsewhere", "title": "They are on RocketMQ."}`))
	}))
	t.Cleanup(s.Close)
	c, err := api.New(api.Options{Endpoints: []string{s.URL}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	consumer, err := NewConsumer(ConsumerOptions{
		API: c, Group: "g", Topics: []string{"t"}, Handler: func(context.Context, Event) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := consumer.Run(t.Context()); !errors.Is(err, ErrElsewhere) {
		t.Error(err)
	}
}

// TestAnEventThatIsRefusedFailsAlone has the server refuse some of a batch, and then be away.
func TestAnEventThatIsRefusedFailsAlone(t *testing.T) {
	t.Parallel()
	server := clienttest.Run(t)
	c := connect(t, server)
	var got heard
	listen(t, ConsumerOptions{API: c, Group: "g", Topics: []string{"t"}, Handler: func(_ context.Context, e Event) error {
		got.add(e)
		return nil
	}})
	p := NewConcordPublisher(c, ConcordOptions{Timeout: 5 * time.Second})
	var events []Event
	for i := range 9 {
		topic := "t"
		if i == 0 || i == 5 {
			topic = "concord-commit" // nobody but Concord publishes there
		}
		events = append(events, Event{ID: fmt.Sprint(i), Topic: topic, Type: "a", Source: "/s"})
	}
	errs := p.Publish(t.Context(), events)
	for i, err := range errs {
		if (err != nil) != (i == 0 || i == 5) {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if ids := got.reaches(t, 7); len(ids) != 7 || len(errs) != 9 || slices.Contains(ids, "5") {
		t.Errorf("%d errors; published: %v", len(errs), ids)
	}
	server.Kill()
	away := NewConcordPublisher(c, ConcordOptions{Timeout: 300 * time.Millisecond})
	if errs := away.Publish(t.Context(), events[1:2]); len(errs) != 1 || !errors.Is(errs[0], context.DeadlineExceeded) {
		t.Errorf("no server: %v", errs)
	}
}

// TestAnEventThatTheServerRefusesHoldsUpNoOther has a batch with two that it never takes, and one that is too long for
// one request as a whole.
func TestAnEventThatTheServerRefusesHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	c := connect(t, clienttest.Run(t))
	p := NewConcordPublisher(c, ConcordOptions{Application: "shop"})
	var events []Event
	for i := range 7 {
		e := Event{ID: fmt.Sprint(i), Topic: "t", Type: "a", Source: "/s"}
		switch i {
		case 2:
			e.Topic = "concord-commit" // decisions are Concord's
		case 5:
			e.Data = []byte("no JSON")
		}
		events = append(events, e)
	}
	for i, err := range p.Publish(t.Context(), events) {
		if bad := i == 2 || i == 5; bad != (err != nil) {
			t.Errorf("event %d: %v", i, err)
		}
	}
	for i := range events {
		large := fmt.Appendf(nil, "%q", strings.Repeat("x", 300_000))
		events[i] = Event{ID: fmt.Sprint("large", i), Topic: "t", Type: "a", Source: "/s", Data: large}
	}
	if errs := p.Publish(t.Context(), events); errs != nil {
		t.Errorf("together they are more than a request may have: %v", errs)
	}
}
