package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// shelf is documents in memory.
type shelf struct {
	mu    sync.Mutex
	all   map[string]orchestrator.Document
	reads int
	fail  error
}

func (s *shelf) GetDocument(_ context.Context, kind, key string) (orchestrator.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	d, found := s.all[kind+":"+key]
	if s.fail == nil && !found {
		return d, orchestrator.ErrNoDocument
	}
	return d, s.fail
}

func (s *shelf) PutDocument(_ context.Context, d orchestrator.Document) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if d.Version != s.all[d.Kind+":"+d.Key].Version+1 {
		return orchestrator.ErrConflict
	}
	s.all[d.Kind+":"+d.Key] = d
	return nil
}

func (s *shelf) DeleteDocument(_ context.Context, kind, key string, version uint64) error {
	if kind != draftKind {
		panic("what is published never goes away")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, found := s.all[kind+":"+key]; found && version != 0 && d.Version != version {
		return orchestrator.ErrConflict
	}
	delete(s.all, kind+":"+key)
	return s.fail
}

func (s *shelf) ListDocuments(
	_ context.Context, q orchestrator.DocumentQuery,
) (out []orchestrator.Document, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	for _, d := range s.all {
		past := q.After == "" || q.Newest && d.Key < q.After || !q.Newest && d.Key > q.After
		if d.Kind == q.Kind && strings.HasPrefix(d.Key, q.Prefix) && past {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b orchestrator.Document) int {
		if q.Newest {
			a, b = b, a
		}
		return strings.Compare(a.Key, b.Key)
	})
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, s.fail
}

func open(t *testing.T) (*Catalog, *shelf) {
	t.Helper()
	s := &shelf{all: map[string]orchestrator.Document{}}
	c := New(Options{Documents: s})
	t.Cleanup(c.Close)
	return c, s
}

const journey = `
saga: 1
name: journey
steps:
  - {id: book, call: {url: http://127.0.0.1/book}, compensate: {call: {url: http://127.0.0.1/undo}}}
`

const trip = `
saga: 1
name: trip
steps:
  - {id: go, subSaga: {saga: journey}}
  - {id: tell, call: {url: http://127.0.0.1/tell}, readOnly: true}
`

func publish(t *testing.T, c *Catalog, text string) Published {
	t.Helper()
	p, r, _, err := c.Publish(t.Context(), []byte(text), "me", "why not")
	if err != nil {
		t.Fatalf("%v: %+v %+v", err, r.Findings, r.Report)
	}
	return p
}

func load(c *Catalog, name string, version uint32) error {
	done := make(chan error, 1)
	c.Load(&txn.SagaRun{Definition: name, Version: version, Key: "k"}, func(err error) { done <- err })
	return <-done
}

func TestVersionsDoNotChange(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	first := publish(t, c, journey)
	if again, _, fresh, err := c.Publish(t.Context(), []byte(journey+"# a comment\n"), "you", ""); err != nil || fresh ||
		again.Version != 1 || again.By != "me" {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	second := publish(t, c, strings.Replace(journey, "/book", "/book2", 1))
	if first.Version != 1 || second.Version != 2 || first.Digest == second.Digest {
		t.Errorf("%+v\n%+v", first, second)
	}
	for version, want := range map[uint32]string{0: second.Text, 1: journey, 2: second.Text} {
		if p, err := c.Get(t.Context(), "journey", version); err != nil || p.Text != want {
			t.Errorf("version %d: %+v, %v", version, p, err)
		}
	}
	if _, err := c.Get(t.Context(), "journey", 3); !errors.Is(err, orchestrator.ErrNoDocument) {
		t.Error(err)
	}
	all, err := c.Versions(t.Context(), "journey", 0, 1)
	if err != nil || len(all) != 1 || all[0].Text != "" || all[0].Version != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if all, err = c.Versions(t.Context(), "journey", 2, 10); err != nil || len(all) != 1 || all[0].Version != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	s.fail = errors.New("disk")
	if _, _, _, err := c.Publish(t.Context(), []byte(trip), "me", ""); !errors.Is(err, s.fail) {
		t.Error(err)
	}
}

func TestWhatIsNotSoundIsNotPublished(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	for name, text := range map[string]string{
		"broken":           "saga: 1",
		"no such sub-saga": trip,
		"no compensation":  strings.Replace(journey, ", compensate: {call: {url: http://127.0.0.1/undo}}", "", 1),
		"ends badly":       strings.Replace(journey, "127.0.0.1/undo", "127.0.0.1/undo/${output.id}", 1),
	} {
		text = strings.Replace(text, "http://127.0.0.1/undo/${output.id}", `"http://127.0.0.1/undo/${output.id}"`, 1)
		_, r, _, err := c.Publish(t.Context(), []byte(text), "me", "")
		if !errors.Is(err, ErrUnsound) || r.Sound() {
			t.Errorf("%s: %v %+v", name, err, r)
		}
	}
	if len(s.all) > 0 {
		t.Error("something was stored")
	}
}

func TestRunsGetTheSubSagasOfThePublication(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	publish(t, c, journey)
	p := publish(t, c, trip)
	if p.Subs["journey"] != 1 {
		t.Fatalf("%+v", p)
	}
	publish(t, c, strings.Replace(journey, "/book", "/book2", 1))
	run := &txn.SagaRun{Definition: "trip", Version: 1, Key: "k", Completed: 3}
	if c.Planner(run) != nil {
		t.Error("ready before it was loaded")
	}
	if err := load(c, "trip", 1); err != nil {
		t.Fatal(err)
	}
	next := c.Planner(run).Next(&txn.Global{Saga: run, Status: txn.Active, Timeout: 1 << 60}, 1)
	if len(next.Start) != 1 || next.Start[0].Name != "go/book" || next.Start[0].Call.CommitURL != "http://127.0.0.1/book" {
		t.Errorf("%+v", next)
	}
	if again := publish(t, c, trip); again.Version != 2 || again.Subs["journey"] != 2 {
		t.Errorf("with a newer sub-saga it is another version: %+v", again)
	}
	reads := s.reads
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if err := load(c, "trip", 2); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if s.reads-reads > 5 {
		t.Errorf("%d readings", s.reads-reads)
	}
}

func TestLoadingFails(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	publish(t, c, journey)
	for name, version := range map[string]uint32{"other": 1, "journey": 2, "trip": 0} {
		if err := load(c, name, version); !errors.Is(err, orchestrator.ErrNoDocument) {
			t.Errorf("%s %d: %v", name, version, err)
		}
	}
	s.fail = errors.New("disk")
	if err := load(c, "journey", 1); !errors.Is(err, s.fail) {
		t.Error(err)
	}
	s.fail = nil
	if err := load(c, "journey", 1); err != nil {
		t.Error("a fault was remembered", err)
	}
	c.Close()
	if err := load(c, "journey", 3); !errors.Is(err, orchestrator.ErrStopped) {
		t.Error(err)
	}
}
