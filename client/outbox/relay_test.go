package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a table in memory, with the lease of several relays.
type memory struct {
	mu      sync.Mutex
	rows    []row
	last    int64 // number of a row
	owner   string
	until   time.Time
	away    bool // the database cannot be reached
	deleted []int64
}

// seat is the table as one relay sees it.
type seat struct {
	*memory
	name string
}

var errAway = errors.New("the database is away")

func (s seat) lease(_ context.Context, d time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return false, errAway
	}
	if s.owner != s.name && time.Now().Before(s.until) {
		return false, nil
	}
	s.owner, s.until = s.name, time.Now().Add(d)
	return true, nil
}

func (s seat) release(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner == s.name {
		s.owner, s.until = "", time.Time{}
	}
	return nil
}

func (s seat) read(_ context.Context, most int, h held) (all []row, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	for _, r := range s.rows {
		if len(all) < most && r.seq > h.after && !slices.Contains(h.keys, r.event.Key) && !slices.Contains(h.seqs, r.seq) {
			all = append(all, r)
		}
	}
	return all, nil
}

func (s seat) find(_ context.Context, seqs []int64) (all []row, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	for _, r := range s.rows {
		if slices.Contains(seqs, r.seq) {
			all = append(all, r)
		}
	}
	return all, nil
}

func (s seat) remove(_ context.Context, seqs []int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	s.deleted = append(s.deleted, seqs...)
	s.rows = slices.DeleteFunc(s.rows, func(r row) bool { return slices.Contains(seqs, r.seq) })
	return nil
}

func (s seat) failed(_ context.Context, seq int64, why error, attempts int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rows {
		if s.rows[i].seq == seq {
			s.rows[i].attempts += attempts
			s.rows[i].underWay = noted(failureText(why))
		}
	}
	return nil
}

func (s seat) count(context.Context) (Backlog, error) { return Backlog{}, nil }

func (m *memory) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows)
}

func (m *memory) setAway(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

// add writes n events with keys that pick chooses.
func (m *memory) add(n int, pick func(i int) string) {
	for i := range n {
		e := Event{ID: fmt.Sprint(m.last), Topic: "t", Key: pick(i), Type: "a"}
		m.last++
		m.rows = append(m.rows, row{seq: m.last, event: e})
	}
}

// broker is a Publisher that fails as it is told.
type broker struct {
	mu    sync.Mutex
	fail  func(e Event) error
	got   []Event
	wrong []string
}

func (b *broker) Publish(_ context.Context, events []Event) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := map[string]bool{}
	errs := make([]error, len(events))
	for i, e := range events {
		if e.Key != "" && seen[e.Key] {
			b.wrong = append(b.wrong, "two of key "+e.Key+" at once")
		}
		seen[e.Key] = true
		if errs[i] = b.fail(e); errs[i] == nil || errors.Is(errs[i], errLost) {
			b.got = append(b.got, e)
		}
	}
	return errs
}

// errLost is a publication that has worked, and whose answer is lost.
var errLost = errors.New("the answer is lost")

// firsts are the events by key, in the order in which they came for the first time.
func (b *broker) firsts() map[string][]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen, all := map[string]bool{}, map[string][]string{}
	for _, e := range b.got {
		if !seen[e.ID] {
			seen[e.ID] = true
			all[e.Key] = append(all[e.Key], e.ID)
		}
	}
	return all
}

func relayOf(t *testing.T, m *memory, name string, p Publisher, batch int) *Relay {
	t.Helper()
	o := RelayOptions{Publisher: p, Batch: batch, Look: 10 * time.Millisecond, Lease: time.Second,
		RetryFirst: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond}
	o.DB = neverUsed()
	r, err := NewRelay(o)
	if err != nil {
		t.Fatal(err)
	}
	r.table = seat{m, name}
	return r
}

// run runs relays until nothing is left, or the virtual minute is over, and stops them.
func run(t *testing.T, m *memory, relays ...*Relay) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, r := range relays {
		running.Go(func() { _ = r.Run(ctx) })
	}
	for range 6000 {
		if m.left() == 0 {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	cancel()
	running.Wait()
	if n := m.left(); n > 0 {
		t.Errorf("%d events are left", n)
	}
}

// TestTheOrderOfEachKeyIsKept has publications fail, and their answers be lost, at random; and in every second run have
// more keys failed than a query leaves out.
func TestTheOrderOfEachKeyIsKept(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			m := &memory{}
			m.add(200, func(int) string { return []string{"", "a", "b", "c"}[random.IntN(4)] })
			want := map[string][]string{}
			for _, r := range m.rows {
				want[r.event.Key] = append(want[r.event.Key], r.event.ID)
			}
			b := &broker{fail: func(Event) error {
				switch random.IntN(4) {
				case 0:
					return errors.New("no")
				case 1:
					return errLost
				}
				return nil
			}}
			r := relayOf(t, m, "one", b, 1+random.IntN(50))
			if seed%2 == 1 {
				r.heldMax = random.IntN(2)
			}
			run(t, m, r)
			got := b.firsts()
			for key, ids := range want {
				if key == "" { // in no order
					slices.Sort(ids)
					slices.Sort(got[key])
				}
				if !slices.Equal(ids, got[key]) {
					t.Errorf("seed %d, key %q: %v, not %v", seed, key, got[key], ids)
				}
			}
			if len(b.wrong) > 0 {
				t.Error(b.wrong)
			}
		})
	}
}

// TestAKeyThatFailsHoldsUpNoOther has one key, and one event without a key, fail for ever.
func TestAKeyThatFailsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.add(500, func(i int) string { return []string{"bad", "good", ""}[i%3] })
		b := &broker{fail: func(e Event) error {
			if e.Key == "bad" || e.ID == "2" {
				return errors.New("no")
			}
			return nil
		}}
		r := relayOf(t, m, "one", b, 10)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = r.Run(ctx)
		if got := len(b.firsts()["good"]) + len(b.firsts()[""]); got != 332 || m.left() != 168 {
			t.Errorf("%d are published, %d are left", got, m.left())
		}
		if n := m.rows[0].attempts; n < 100 || n > 400 {
			t.Errorf("%d attempts in 10 s at one that fails every 50 ms", n)
		}
	})
}

// TestManyKeysThatFailHoldUpNoOther has more keys fail than a query leaves out, each with several events, in front of
// one that does not; and work again later, but for one whose events somebody deletes.
func TestManyKeysThatFailHoldUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most, bad = 40, 200
		m := &memory{}
		m.add(3*bad, func(i int) string { return fmt.Sprint("bad", i%bad) })
		m.add(100, func(int) string { return "good" })
		fails := true
		b := &broker{fail: func(e Event) error {
			if fails && e.Key != "good" {
				return errors.New("no")
			}
			return nil
		}}
		r := relayOf(t, m, "one", b, 200)
		r.o.Look, r.o.RetryFirst, r.o.RetryMax, r.heldMax = 250*time.Millisecond, time.Second, 10*time.Second, most
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_ = r.Run(ctx)
		cancel()
		if got := len(b.firsts()["good"]); got != 100 || m.left() != 3*bad {
			t.Errorf("%d are published, %d are left", got, m.left())
		}
		for _, one := range m.rows[:bad] {
			if one.attempts == 0 || one.attempts > 10 {
				t.Fatalf("%d attempts at the first of %s in 20 s", one.attempts, one.event.Key)
			}
		}
		ctx, cancel = context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = r.Run(ctx) }()
		<-time.After(20 * time.Second) // it holds them all again
		m.mu.Lock()
		m.rows = slices.DeleteFunc(m.rows, func(one row) bool { return one.event.ID == "7" }) // the first of its key
		m.mu.Unlock()
		b.mu.Lock()
		fails = false
		b.mu.Unlock()
		<-time.After(time.Minute)
		cancel()
		<-ended
		for key, ids := range b.firsts() {
			whole := len(ids) == 3 || key == "bad7" && len(ids) == 2 || key == "good"
			if !whole || !slices.IsSortedFunc(ids, func(a, b string) int { return number(a) - number(b) }) {
				t.Errorf("%s: %v", key, ids)
			}
		}
		if n := m.left(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

func number(id string) (n int) {
	_, _ = fmt.Sscan(id, &n)
	return n
}

// TestOneRelayPublishesAtATime has several, of which the one at work stops now and then.
func TestOneRelayPublishesAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.add(300, func(i int) string { return fmt.Sprint(i % 7) })
		var mu sync.Mutex
		inside := 0
		b := &broker{fail: func(Event) error { return nil }}
		p := publisherFunc(func(ctx context.Context, events []Event) []error {
			mu.Lock()
			if inside++; inside > 1 {
				t.Error("two publish at once")
			}
			mu.Unlock()
			<-time.After(30 * time.Millisecond)
			mu.Lock()
			inside--
			mu.Unlock()
			return b.Publish(ctx, events)
		})
		run(t, m, relayOf(t, m, "one", p, 20), relayOf(t, m, "two", p, 20), relayOf(t, m, "three", p, 20))
		if len(m.deleted) != 300 || len(b.got) != 300 {
			t.Errorf("%d published, %d deleted", len(b.got), len(m.deleted))
		}
	})
}

type publisherFunc func(ctx context.Context, events []Event) []error

func (f publisherFunc) Publish(ctx context.Context, events []Event) []error { return f(ctx, events) }

// TestARelayOutlastsItsDatabase takes the database away for a while.
func TestARelayOutlastsItsDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.add(50, func(int) string { return "k" })
		n := 0
		b := &broker{}
		b.fail = func(Event) error {
			if n++; n == 20 {
				m.setAway(true) // what was published is not deleted, and comes again
				time.AfterFunc(3*time.Second, func() { m.setAway(false) })
			}
			return nil
		}
		run(t, m, relayOf(t, m, "one", b, 5))
		shorter := func(a, b string) int { return len(a) - len(b) }
		if got := b.firsts()["k"]; len(got) != 50 || !slices.IsSortedFunc(got, shorter) {
			t.Errorf("%v", got)
		}
		if len(b.got) != 51 {
			t.Errorf("%d publications of 50 events, one of which comes twice", len(b.got))
		}
	})
}

// TestARelayThatIsWokenLooksAtOnce has one that looks once an hour.
func TestARelayThatIsWokenLooksAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		b := &broker{fail: func(Event) error { return nil }}
		r := relayOf(t, m, "one", b, 10)
		r.o.Look = time.Hour
		began := time.Now()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = r.Run(ctx) }()
		synctest.Wait()
		m.mu.Lock()
		m.add(3, func(int) string { return "k" })
		m.mu.Unlock()
		for range 5 { // more than one is one
			r.Wake()
		}
		synctest.Wait()
		if n := m.left(); n != 0 || time.Since(began) > time.Second {
			t.Errorf("%d are left after %v", n, time.Since(began))
		}
		cancel()
		<-ended
		if m.owner != "" {
			t.Error("the lease is not given back")
		}
	})
}

// TestARelayThatWasKilledIsSucceeded has one hold the lease that will not come back.
func TestARelayThatWasKilledIsSucceeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{owner: "dead", until: time.Now().Add(3 * time.Second)}
		m.add(20, func(int) string { return "k" })
		b := &broker{fail: func(Event) error { return nil }}
		began := time.Now()
		run(t, m, relayOf(t, m, "one", b, 10), relayOf(t, m, "two", b, 10))
		if took := time.Since(began); took < 3*time.Second || took > 4*time.Second || len(b.got) != 20 {
			t.Errorf("%d events after %v", len(b.got), took)
		}
	})
}

func TestARelayIsCheckedWhenItIsMade(t *testing.T) {
	t.Parallel()
	db, p := neverUsed(), &broker{}
	for i, o := range []RelayOptions{
		{}, {DB: db}, {Publisher: p}, {DB: db, Publisher: p, Batch: 201}, {DB: db, Publisher: p, Lease: time.Millisecond},
	} {
		if _, err := NewRelay(o); err == nil {
			t.Errorf("%d: it was made", i)
		}
	}
}
