package outbox

import (
	"context"
	"encoding/json"
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

// slow is a server whose transactions are decided and do not end until it is told.
type slow struct {
	mu       sync.Mutex
	begun    [][]branch
	commits  map[string]int
	ended    map[string]bool
	lost     map[string]bool // rolled back: their timeout came first
	forgot   bool            // nothing is known of any
	stuck    string          // a topic whose branches do not end; "" is all
	unsettle bool            // the answers to commits say nothing
}

type branch struct{ Topic, Key, State string }

func newSlow(t *testing.T) (*slow, *api.Client) {
	t.Helper()
	s := &slow{commits: map[string]int{}, ended: map[string]bool{}, lost: map[string]bool{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := api.New(api.Options{Endpoints: []string{server.URL}, Patience: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

// ServeHTTP has as much of the API as the publisher needs.
func (s *slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		<-time.After(10 * time.Millisecond) // it waits for the end, as a server does
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/transactions"), "/")
	if len(path) == 1 {
		var body struct{ Branches []branch }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		s.begun = append(s.begun, body.Branches)
		_, _ = fmt.Fprintf(w, `{"xid": "host:8091:%d", "status": "Active"}`, len(s.begun))
		return
	}
	xid := path[1]
	s.commits[xid]++
	switch {
	case s.forgot:
		refuse(w, http.StatusNotFound, "transactionNotFound")
	case s.lost[xid]:
		refuse(w, http.StatusConflict, "otherOutcomeDecided")
	case s.unsettle:
		w.WriteHeader(http.StatusInternalServerError)
	case s.ended[xid]:
		_, _ = w.Write([]byte(`{"status": "Committed"}`))
	default:
		w.WriteHeader(http.StatusAccepted)
		var n int
		_, _ = fmt.Sscanf(xid, "host:8091:%d", &n)
		all := slices.Clone(s.begun[n-1])
		for i := range all {
			all[i].State = "Registered"
			if s.stuck != "" && all[i].Topic != s.stuck {
				all[i].State = "Finished"
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "Committing", "branches": all})
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"code": %q, "title": "No."}`, code)
}

// tell changes the server.
func (s *slow) tell(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// asked waits until a transaction was asked to commit, or looked at, more than n times.
func (s *slow) asked(t *testing.T, xid string, n int) {
	t.Helper()
	for deadline := time.Now().Add(clienttest.Patience); ; <-time.After(5 * time.Millisecond) {
		s.mu.Lock()
		times := s.commits[xid]
		s.mu.Unlock()
		switch {
		case times > n:
			return
		case time.Now().After(deadline):
			t.Fatalf("%s is asked for %d times", xid, times)
		}
	}
}

// relaying runs a relay; stop ends it.
func relaying(m *memory, c *api.Client, t *testing.T) (stop func()) {
	t.Helper()
	p := NewConcordPublisher(c, ConcordOptions{Timeout: 2 * time.Second}) // an answer to a begin that is later is lost
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	r := relayOf(t, m, "one", p, 10)
	r.o.Lease = clienttest.Patience
	go func() { defer close(ended); _ = r.Run(ctx) }()
	return func() { cancel(); <-ended }
}

// empty waits until a table is.
func empty(t *testing.T, m *memory) {
	t.Helper()
	for deadline := time.Now().Add(clienttest.Patience); m.left() > 0; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d events are left", m.left())
		}
	}
}

// TestAPublicationUnderWayIsGoneOnWith has a transaction be decided and not end for a while: there is no other one for
// its events, also after the relay was stopped, while those that come later are published.
func TestAPublicationUnderWayIsGoneOnWith(t *testing.T) {
	t.Parallel()
	s, c := newSlow(t)
	m := &memory{}
	m.add(3, func(i int) string { return []string{"a", "b", ""}[i] })
	stop := relaying(m, c, t)
	s.asked(t, "host:8091:1", 10)
	stop()
	s.tell(func() { s.unsettle = true })
	stop = relaying(m, c, t) // a process that knows the table, and nothing else
	s.asked(t, "host:8091:1", 20)
	s.tell(func() {
		s.unsettle = false
		s.ended["host:8091:1"], s.ended["host:8091:2"] = true, true
	})
	empty(t, m)
	m.mu.Lock()
	m.add(1, func(int) string { return "a" })
	m.mu.Unlock()
	empty(t, m)
	stop()
	if len(s.begun) != 2 || len(s.begun[0]) != 3 || len(s.begun[1]) != 1 {
		t.Errorf("transactions with these branches were begun: %v", s.begun)
	}
}

// TestATopicThatCannotBePublishedHoldsUpNoOther has a transaction not end because of one of its topics: what is out is
// out, also what comes later for the same keys.
func TestATopicThatCannotBePublishedHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s, c := newSlow(t)
	s.stuck = "nowhere"
	m := &memory{}
	m.add(20, func(i int) string { return fmt.Sprint(i % 5) })
	for i := range m.rows {
		if m.rows[i].event.Key == "3" {
			m.rows[i].event.Topic = s.stuck
		}
	}
	m.rows[0].event.ID = "not\tprintable" // it cannot be told from the others, and waits
	stop := relaying(m, c, t)
	for deadline := time.Now().Add(clienttest.Patience); m.left() > 8; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d events are left", m.left())
		}
	}
	stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]int{}
	for _, all := range s.begun {
		for _, b := range all {
			if seen[b.Key]++; seen[b.Key] > 1 {
				t.Errorf("event %q is published twice", b.Key)
			}
		}
	}
	if m.left() != 8 || len(seen) != 14 { // one of key 3, one without a key in its branch, and twelve that are out
		t.Errorf("%d events are left, %d were begun with", m.left(), len(seen))
	}
}

// TestTheKeyOfABranchIsTheIDOfItsEvent looks at what a real coordinator says of a transaction.
func TestTheKeyOfABranchIsTheIDOfItsEvent(t *testing.T) {
	t.Parallel()
	c := connect(t, clienttest.Run(t))
	p := NewConcordPublisher(c, ConcordOptions{})
	events := []Event{
		{ID: "ключ 1", Topic: "t", Type: "a", Source: "/s"}, {ID: "2", Topic: "t", Type: "a", Source: "/s"},
		{ID: "2", Topic: "t", Type: "a", Source: "/s"}, {ID: " \n", Topic: "t", Type: "a", Source: "/s"},
	}
	if errs := p.Publish(t.Context(), events); errs != nil {
		t.Fatal(errs)
	}
	var page struct{ Items []struct{ XID string } }
	get := func(path string, into any) {
		if _, err := c.Do(t.Context(), api.Request{Method: http.MethodGet, Path: path}, into); err != nil {
			t.Fatal(err)
		}
	}
	get("/transactions", &page)
	var now progress
	get(api.Path("transactions", page.Items[0].XID), &now)
	if now.Status != "Committed" || len(now.Branches) != 4 {
		t.Errorf("%+v", now)
	}
	now.Status = "Committing" // as it was a moment ago
	if got := now.published(); len(got) != 1 || !got["ключ 1"] {
		t.Errorf("%v are told to be out", got)
	}
	now.Status = "RollingBack"
	if got := now.published(); len(got) != 0 {
		t.Errorf("%v are told to be out", got)
	}
}

// TestAPublicationThatWasLostIsBegunAnew has the first transaction roll back after all, and the next be forgotten.
func TestAPublicationThatWasLostIsBegunAnew(t *testing.T) {
	t.Parallel()
	s, c := newSlow(t)
	m := &memory{}
	m.add(1, func(int) string { return "a" })
	stop := relaying(m, c, t)
	defer stop()
	s.asked(t, "host:8091:1", 5)
	s.tell(func() { s.lost["host:8091:1"] = true })
	s.asked(t, "host:8091:2", 5)
	s.tell(func() { s.forgot = true })
	s.asked(t, "host:8091:3", 0)
	s.tell(func() {
		s.forgot = false
		for i := range 1000 {
			s.ended[fmt.Sprint("host:8091:", i)] = true
		}
	})
	empty(t, m)
}

// TestWhatIsUnderWayIsReadFromTheTable goes there and back by the text of a failure.
func TestWhatIsUnderWayIsReadFromTheTable(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("publish: %w", &underWayError{XID: "host:8091:7", Err: context.DeadlineExceeded})
	xid := underWay(err)
	if got := noted(failureText(err)); xid != "host:8091:7" || got != xid {
		t.Errorf("%q, and then %q", xid, got)
	}
	long := &underWayError{XID: "host:8091:8", Err: fmt.Errorf("%s", strings.Repeat("ü", 1000))}
	if text := failureText(long); noted(text) != "host:8091:8" || len([]rune(text)) > failureMax {
		t.Errorf("%d runes of %q", len([]rune(text)), noted(text))
	}
	for _, text := range []string{"", "no", "under way in ", "under way in transaction x", "it is under way in x: no"} {
		if got := noted(text); got != "" {
			t.Errorf("%q says %q", text, got)
		}
	}
}
