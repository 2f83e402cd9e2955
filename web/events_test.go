package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// fakeEvents is a log of entries with one consumer group; what it is asked for is written down.
type fakeEvents struct {
	mu       sync.Mutex
	entries  []orchestrator.EventEntry // numbered from first
	first    uint64
	asked    []string
	groups   map[string][]string
	watchers map[int]func()
	watched  int
	next     map[string]int
	padding  string // in each event
}

func newFakeEvents(n int) *fakeEvents {
	f := &fakeEvents{first: 5, groups: map[string][]string{}, watchers: map[int]func(){}, next: map[string]int{}}
	for range n {
		f.add("concord-commit", 1)
	}
	return f
}

func (f *fakeEvents) add(topic string, xid int64) {
	f.mu.Lock()
	seq := f.first + uint64(len(f.entries))
	f.entries = append(f.entries, orchestrator.EventEntry{
		Seq: seq, XID: xid, Topic: topic, At: 1_700_000_000_000,
		Event: fmt.Appendf(nil, `{"id":"%d","x":"<&>\u2028%s"}`, seq, f.padding),
	})
	var wake []func()
	for _, w := range f.watchers {
		wake = append(wake, w)
	}
	f.mu.Unlock()
	for _, w := range wake {
		w()
	}
}

func (f *fakeEvents) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
}

func (f *fakeEvents) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

func (f *fakeEvents) Groups() []orchestrator.EventGroup {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []orchestrator.EventGroup
	for name, topics := range f.groups {
		all = append(all, orchestrator.EventGroup{Name: name, Topics: topics, Offset: f.first, End: 7, InFlight: 1})
	}
	return all
}

func (f *fakeEvents) Subscribe(_ context.Context, group string, topics []string, fromOldest bool) error {
	f.note("subscribe %s %v %v", group, topics, fromOldest)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[group] = topics
	return nil
}

func (f *fakeEvents) known(group string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.groups[group]; !ok {
		return fmt.Errorf("group %s: %w", group, orchestrator.ErrNoGroup)
	}
	return nil
}

func (f *fakeEvents) Remove(_ context.Context, group string) error {
	f.note("remove %s", group)
	return f.known(group)
}

func (f *fakeEvents) Poll(ctx context.Context, group string, limit int, wait time.Duration) (
	[]orchestrator.EventDelivery, error,
) {
	if err := f.known(group); err != nil {
		return nil, err
	}
	f.mu.Lock()
	from := f.next[group]
	to := min(from+limit, len(f.entries))
	f.next[group] = to
	var all []orchestrator.EventDelivery
	for _, e := range f.entries[from:to] {
		all = append(all, orchestrator.EventDelivery{EventEntry: e, Attempt: 2, Receipt: fmt.Sprintf("r%d", e.Seq)})
	}
	f.mu.Unlock()
	if len(all) == 0 && wait > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
	return all, nil
}

func (f *fakeEvents) Ack(group string, receipts ...string) error {
	f.note("ack %s %v", group, receipts)
	return f.known(group)
}

func (f *fakeEvents) Nack(_ context.Context, group, receipt, reason string) error {
	f.note("nack %s %s %s", group, receipt, reason)
	return f.known(group)
}

func (f *fakeEvents) Seek(_ context.Context, group string, seq uint64) error {
	f.note("seek %s %d", group, seq)
	return f.known(group)
}

func (f *fakeEvents) SeekTime(_ context.Context, group string, at txn.Millis) error {
	f.note("seek %s at %d", group, at)
	return f.known(group)
}

func (f *fakeEvents) DeadLetters(group string, after uint64, limit int) ([]orchestrator.EventLetter, error) {
	f.note("letters %s %d %d", group, after, limit)
	f.mu.Lock()
	defer f.mu.Unlock()
	return []orchestrator.EventLetter{{EventEntry: f.entries[0], Attempts: 16, FailedAt: 1, Reason: "no"}}, nil
}

func (f *fakeEvents) Replay(_ context.Context, group string, seq uint64) error {
	f.note("replay %s %d", group, seq)
	return nil
}

func (f *fakeEvents) Discard(_ context.Context, group string, seq uint64) error {
	f.note("discard %s %d", group, seq)
	return orchestrator.ErrNoLetter
}

func (f *fakeEvents) Bounds() (first, next uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first, f.first + uint64(len(f.entries))
}

func (f *fakeEvents) Read(seq uint64, yield func(orchestrator.EventEntry) bool) error {
	f.mu.Lock()
	all := slices.Clone(f.entries)
	f.mu.Unlock()
	for _, e := range all {
		if e.Seq >= seq && !yield(e) {
			return nil
		}
	}
	return nil
}

func (f *fakeEvents) Watch(wake func()) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched++
	key := f.watched
	f.watchers[key] = wake
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, key)
	}
}

func setupEvents(t *testing.T, n int) (*rig, *fakeEvents) {
	t.Helper()
	f := newFakeEvents(n)
	return setup(t, func(o *Options) { o.Events, o.BodyBytesMax = f, 1<<16 }), f
}

func TestEventsElsewhereIsSaid(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.EventsElsewhere = "They are on the RocketMQ topics a and b." })
	for _, path := range []string{"/events", "/events/stream", "/events/groups", "/events/groups/x"} {
		status, got, _ := r.do(t, "GET", "/api/v1"+path, "")
		if status != 409 || got["code"] != "eventsElsewhere" || !strings.Contains(got["detail"].(string), "topics a and b") {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
}

func TestGroupRequestsReachTheLog(t *testing.T) {
	t.Parallel()
	r, f := setupEvents(t, 2)
	const g = "/api/v1/events/groups/mail"
	for _, c := range []struct {
		method, path, body string
		status             int
		asked              string
	}{
		{"GET", "", "", 404, ""},
		{"POST", "/poll", "", 404, ""},
		{"PUT", "", "", 200, "subscribe mail [] false"},
		{"PUT", "", `{"topics":["a","b"],"from":"oldest"}`, 200, "subscribe mail [a b] true"},
		{"PUT", "", `{"from":"middle"}`, 400, ""},
		{"PUT", "", `{"topics":["a\n"]}`, 400, ""},
		{"PUT", "", `{"topics":"a"}`, 400, ""},
		{"PUT", "", `{"topics":["` + strings.Repeat(`a","`, 64) + `"]}`, 400, ""},
		{"GET", "", "", 200, ""},
		{"POST", "/poll?wait=21s", "", 400, ""},
		{"POST", "/poll?wait=-1s", "", 400, ""},
		{"POST", "/poll?limit=0", "", 400, ""},
		{"POST", "/ack", `{"deliveries":["r5","r6"]}`, 204, "ack mail [r5 r6]"},
		{"POST", "/ack", `{"deliveries":[]}`, 400, ""},
		{"POST", "/ack", `{"deliveries":["r5"],"reason":"x"}`, 400, ""},
		{"POST", "/nack", `{"deliveries":["r5","r6"],"reason":"x"}`, 204, "nack mail r5 x; nack mail r6 x"},
		{"POST", "/seek", `{"to":"oldest"}`, 200, "seek mail 5"},
		{"POST", "/seek", `{"to":"next"}`, 200, "seek mail 7"},
		{"POST", "/seek", `{"to":"6"}`, 200, "seek mail 6"},
		{"POST", "/seek", `{"to":"15m"}`, 200, "seek mail at 1699999100123"},
		{"POST", "/seek", `{"to":"2023-11-14T22:13:20Z"}`, 200, "seek mail at 1700000000000"},
		{"POST", "/seek", `{"to":"there"}`, 400, ""},
		{"GET", "/deadletters?cursor=3&limit=7", "", 200, "letters mail 3 7"},
		{"GET", "/deadletters?cursor=x", "", 400, ""},
		{"POST", "/deadletters/5/replay", "", 204, "replay mail 5"},
		{"POST", "/deadletters/5/replay", `{"reason":"mended"}`, 204, "replay mail 5"},
		{"POST", "/deadletters/5/replay", `{"why":"mended"}`, 400, ""},
		{"POST", "/deadletters/x/replay", "", 400, ""},
		{"GET", "/deadletters/5", "", 200, "letters mail 4 1"},
		{"GET", "/deadletters/6", "", 404, "letters mail 5 1"},
		{"GET", "/deadletters/x", "", 400, ""},
		{"DELETE", "/deadletters/5", `{"reason":"a test"}`, 404, "discard mail 5"},
		{"DELETE", "/deadletters/5", "", 400, ""},
		{"DELETE", "/deadletters/5", `{"reason":"a\nb"}`, 400, ""},
		{"DELETE", "/deadletters/x", `{"reason":"a test"}`, 400, ""},
		{"DELETE", "", "", 204, "remove mail"},
	} {
		status, got, _ := r.do(t, c.method, g+c.path, c.body)
		if status != c.status {
			t.Errorf("%s %s %s: %d %v", c.method, c.path, c.body, status, got)
		}
		if asked := strings.Join(f.took(), "; "); asked != c.asked {
			t.Errorf("%s %s %s asked for %q, want %q", c.method, c.path, c.body, asked, c.asked)
		}
	}
}

func TestPollAnswersDeliveriesOrABatch(t *testing.T) {
	t.Parallel()
	r, f := setupEvents(t, 3)
	f.groups["mail"] = nil
	const poll = "/api/v1/events/groups/mail/poll?limit=2"
	status, got, _ := r.do(t, "POST", poll, "")
	want := map[string]any{"items": []any{
		map[string]any{
			"delivery": "r5", "attempt": 2.0, "seq": 5.0, "topic": "concord-commit", "at": "2023-11-14T22:13:20.000Z",
			"event": map[string]any{"id": "5", "x": "<&>\u2028"},
		},
		map[string]any{
			"delivery": "r6", "attempt": 2.0, "seq": 6.0, "topic": "concord-commit", "at": "2023-11-14T22:13:20.000Z",
			"event": map[string]any{"id": "6", "x": "<&>\u2028"},
		},
	}}
	if diff := cmp.Diff(want, got); status != 200 || diff != "" {
		t.Errorf("%d %s", status, diff)
	}
	f.next["mail"] = 0
	w := r.raw(t, "POST", poll, "", "Accept", contentTypeBatch)
	if w.Header().Get("Content-Type") != contentTypeBatch || w.Header().Get("Concord-Deliveries") != "r5 r6" {
		t.Errorf("headers %v", w.Header())
	}
	batch := `[{"id":"5","x":"<&>\u2028"},{"id":"6","x":"<&>\u2028"}]`
	if w.Body.String() != batch {
		t.Errorf("batch %s, want %s", w.Body, batch)
	}
	if w = r.raw(t, "POST", poll, ""); !strings.Contains(w.Body.String(), `"event":{"id":"7","x":"<&>\u2028"}`) {
		t.Errorf("the bytes of the event were changed: %s", w.Body)
	}
	if w = r.raw(t, "POST", poll, "", "Accept", contentTypeBatch); w.Body.String() != "[]" {
		t.Errorf("nothing is %s", w.Body)
	}
}

func TestEventsArePaged(t *testing.T) {
	t.Parallel()
	r, f := setupEvents(t, 3)
	f.add("stock", 0)
	f.add("concord-rollback", 3)
	for _, c := range []struct {
		query, next string
		want        []float64
	}{
		{"", "", []float64{5, 6, 7, 9}},
		{"limit=2", "7", []float64{5, 6}},
		{"limit=2&cursor=7", "", []float64{7, 9}},
		{"from=next", "", nil},
		{"from=6&topics=concord-commit", "", []float64{6, 7}},
		{"topics=stock,concord-rollback", "", []float64{8, 9}},
		{"order=newest", "", []float64{9, 7, 6, 5}},
		{"order=newest&limit=2", "7", []float64{9, 7}},
		{"order=newest&limit=2&cursor=7", "", []float64{6, 5}},
		{"order=newest&from=7", "", []float64{6, 5}},
		{"order=newest&from=oldest", "", nil},
		{"order=newest&from=9999&topics=stock", "", []float64{8}},
		{"order=oldest&from=7", "", []float64{7, 9}},
	} {
		status, got, _ := r.do(t, "GET", "/api/v1/events?"+c.query, "")
		var seqs []float64
		for _, item := range got["items"].([]any) {
			seqs = append(seqs, item.(map[string]any)["seq"].(float64))
		}
		next, _ := got["next"].(string)
		if status != 200 || !slices.Equal(seqs, c.want) || next != c.next {
			t.Errorf("%s: %d %v next %q", c.query, status, seqs, next)
		}
	}
	for _, query := range []string{"from=there", "order=random"} {
		if status, _, _ := r.do(t, "GET", "/api/v1/events?"+query, ""); status != 400 {
			t.Errorf("%s: %d", query, status)
		}
	}
}
