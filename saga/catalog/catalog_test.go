package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
)

// shelf is documents in memory.
type shelf struct {
	mu    sync.Mutex
	all   map[string]orchestrator.Document
	reads int
	fail  error
	// meanwhile is called before a version or a draft is changed, unlocked.
	meanwhile func()
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
	if s.meanwhile != nil && d.Kind == kind {
		s.meanwhile()
	}
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

func TestTwoPublishAtTheSameTime(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	rival := New(Options{Documents: s})
	t.Cleanup(rival.Close)
	var texts []string
	s.meanwhile = func() {
		if len(texts) > 0 {
			text := texts[0]
			texts = texts[1:]
			publish(t, rival, text)
		}
	}
	other := func(n int) string { return strings.Replace(journey, "/book", fmt.Sprint("/book", n), 1) }
	texts = []string{other(1)}
	if p := publish(t, c, journey); p.Version != 2 {
		t.Errorf("behind the other's: %+v", p)
	}
	texts = []string{other(2)}
	if p, _, fresh, err := c.Publish(t.Context(), []byte(other(2)), "me", ""); err != nil || fresh || p.Version != 3 {
		t.Errorf("the other has published the same: %+v %v %v", p, fresh, err)
	}
	nested := texts
	s.meanwhile = func() { // somebody is quicker each time
		if len(nested) < publishTries {
			nested = append(nested, other(10+len(nested)))
			text := nested[len(nested)-1]
			again := s.meanwhile
			s.meanwhile = nil
			publish(t, rival, text)
			s.meanwhile = again
		}
	}
	_, _, _, err := c.Publish(t.Context(), []byte(other(4)), "me", "")
	if !errors.Is(err, orchestrator.ErrConflict) {
		t.Error(err)
	}
}

func TestADraftThatIsChangedWhileItIsPublishedStays(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	d, err := c.PutDraft(t.Context(), "journey", journey, "me", 0)
	if err != nil {
		t.Fatal(err)
	}
	s.meanwhile = func() {
		if _, err := c.PutDraft(t.Context(), "journey", journey+"# more\n", "you", 1); err != nil {
			t.Error(err)
		}
	}
	p, _, fresh, removed, err := c.PublishDraft(t.Context(), &d, "me", "")
	if err != nil || !fresh || removed || p.Text != journey {
		t.Errorf("%+v %v %v %v", p, fresh, removed, err)
	}
	s.meanwhile = nil
	if d, err = c.Draft(t.Context(), "journey"); err != nil || d.Version != 2 || d.By != "you" {
		t.Errorf("%+v %v", d, err)
	}
	if _, _, fresh, removed, err = c.PublishDraft(t.Context(), &d, "me", ""); err != nil || fresh || !removed {
		t.Errorf("%v %v %v", fresh, removed, err)
	}
}

func TestListsDoNotReadAllVersions(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	for saga := range 20 {
		for version := range 30 {
			p := Published{Name: fmt.Sprintf("saga%02d", saga), Version: uint32(version + 1)}
			raw, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			err = s.PutDocument(t.Context(), orchestrator.Document{Kind: kind, Key: p.Key(), Version: 1, Value: raw})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []Published
	for after, more := "", true; more; {
		page, err := c.List(t.Context(), "saga", after, 7)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, page...); len(page) > 0 {
			after = page[len(page)-1].Name
		}
		more = len(page) == 7
	}
	for n, p := range got {
		if p.Name != fmt.Sprintf("saga%02d", n) || p.Version != 30 {
			t.Errorf("%d: %+v", n, p)
		}
	}
	if len(got) != 20 || s.reads > 41 {
		t.Errorf("%d sagas with %d readings", len(got), s.reads)
	}
}

// numbers is a language whose texts are numbers; those below 10 can be read still.
type numbers struct{}

func (numbers) Name() string { return "numbers" }

func (numbers) Recognise(text []byte) bool { return len(text) > 0 && text[0] >= '0' && text[0] <= '9' }

func (numbers) Check(_ context.Context, text []byte, sagas Lookup) (Review, error) {
	r := Review{Name: "number.one", Digest: string(text)}
	_, err := sagas("journey", 0)
	if errors.Is(err, orchestrator.ErrNoDocument) {
		r.Findings, err = []definition.Finding{{Severity: definition.SeverityError}}, nil
	}
	return r, err
}

func (numbers) Steps(text []byte) ([]Step, error) {
	if len(text) > 1 {
		return nil, errors.New("too long")
	}
	return []Step{{ID: string(text)}}, nil
}

func (numbers) Compile(p *Published, sagas Lookup) (c Compiled, err error) {
	sub, err := sagas("journey", 0)
	if err == nil && len(p.Text) > 1 {
		err = fmt.Errorf("with version %d: %w", sub.Version, orchestrator.ErrUnreadable)
	}
	return Compiled{Deadline: time.Duration(sub.Version)}, err
}

func TestSeveralLanguages(t *testing.T) {
	t.Parallel()
	s := &shelf{all: map[string]orchestrator.Document{}}
	c := New(Options{Documents: s, Languages: []Language{numbers{}}})
	t.Cleanup(c.Close)
	_, r, _, err := c.Publish(t.Context(), []byte("7"), "me", "")
	if !errors.Is(err, ErrUnsound) || r.Language != "numbers" {
		t.Errorf("%+v %v", r, err)
	}
	publish(t, c, journey)
	p := publish(t, c, "7")
	if p.Language != "numbers" || p.Name != "number.one" || p.Subs["journey"] != 1 {
		t.Errorf("%+v", p)
	}
	publish(t, c, strings.Replace(journey, "/book", "/book2", 1))
	if again := publish(t, c, "7"); again.Version != 2 {
		t.Errorf("with a newer sub-saga it is another version: %+v", again)
	}
	for version := range uint32(2) {
		n, compiled, err := c.Ready(t.Context(), "number.one", version+1)
		if err != nil || n != version+1 || compiled.Deadline != time.Duration(version+1) {
			t.Errorf("%d: %d %+v %v", version+1, n, compiled, err)
		}
	}
	if steps, err := c.Steps(&p); err != nil || len(steps) != 1 || steps[0].ID != "7" {
		t.Errorf("%+v %v", steps, err)
	}
	publish(t, c, "77")
	if n, _, err := c.Ready(t.Context(), "number.one", 0); n != 3 || !errors.Is(err, orchestrator.ErrUnreadable) {
		t.Errorf("%d %v", n, err)
	}
	// What a saga in our language cannot run, is one in another.
	text := strings.Replace(trip, "saga: journey", "saga: number.one", 1)
	if _, r, _, err := c.Publish(t.Context(), []byte(text), "me", ""); !errors.Is(err, ErrUnsound) {
		t.Errorf("%+v %v", r, err)
	}
	// A server that does not know the language.
	other := New(Options{Documents: s})
	t.Cleanup(other.Close)
	if _, _, err := other.Ready(t.Context(), "number.one", 1); !errors.Is(err, orchestrator.ErrUnreadable) {
		t.Error(err)
	}
	if _, err := other.Steps(&p); !errors.Is(err, orchestrator.ErrUnreadable) {
		t.Error(err)
	}
}

func TestWhoIsAloneKnowsTheNewestVersion(t *testing.T) {
	t.Parallel()
	s := &shelf{all: map[string]orchestrator.Document{}}
	c := New(Options{Documents: s, Alone: true})
	t.Cleanup(c.Close)
	for n := range uint32(3) {
		publish(t, c, strings.Replace(journey, "/book", fmt.Sprint("/book", n), 1))
		for turn := range 3 {
			before := s.reads
			if version, _, err := c.Ready(t.Context(), "journey", 0); err != nil || version != n+1 {
				t.Errorf("%d, not %d: %v", version, n+1, err)
			}
			if turn > 0 && s.reads > before {
				t.Error("it was read again")
			}
		}
	}
	s.meanwhile = func() { // somebody asks while it is published
		if version, _, err := c.Ready(t.Context(), "journey", 0); err != nil || version != 3 {
			t.Errorf("%d: %v", version, err)
		}
	}
	c.published("journey")
	publish(t, c, journey)
	if version, _, err := c.Ready(t.Context(), "journey", 0); err != nil || version != 4 {
		t.Errorf("%d: %v", version, err)
	}
}

// slow calls then when it has read a list, before it returns it.
type slow struct {
	*shelf
	then func()
}

func (s *slow) ListDocuments(ctx context.Context, q orchestrator.DocumentQuery) ([]orchestrator.Document, error) {
	out, err := s.shelf.ListDocuments(ctx, q)
	if then := s.then; then != nil {
		s.then = nil
		then()
	}
	return out, err
}

func TestWhatWasReadBeforeAPublicationIsNotKept(t *testing.T) {
	t.Parallel()
	s := &slow{shelf: &shelf{all: map[string]orchestrator.Document{}}}
	c := New(Options{Documents: s, Alone: true})
	t.Cleanup(c.Close)
	publish(t, c, journey)
	s.then = func() { publish(t, c, strings.Replace(journey, "/book", "/book2", 1)) }
	for want := range uint32(2) {
		if version, _, err := c.Ready(t.Context(), "journey", 0); err != nil || version != want+1 {
			t.Errorf("%d, not %d: %v", version, want+1, err)
		}
	}
}

func TestReadyHasWhatARunNeeds(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	text := strings.Replace(journey, "steps:", "deadline: 5m\ninput: {type: object, required: [id]}\nsteps:", 1)
	publish(t, c, text)
	for range 2 {
		version, compiled, err := c.Ready(t.Context(), "journey", 0)
		if err != nil || version != 1 || compiled.Deadline != 5*time.Minute || compiled.Planner == nil ||
			len(compiled.CheckInput([]byte(`{}`))) != 1 || len(compiled.CheckInput([]byte(`{"id":1}`))) != 0 {
			t.Fatalf("%d %+v %v", version, compiled, err)
		}
	}
	for _, name := range []string{"other", "", "a/b"} {
		if _, _, err := c.Ready(t.Context(), name, 0); !errors.Is(err, orchestrator.ErrNoDocument) {
			t.Errorf("%q: %v", name, err)
		}
	}
	s.mu.Lock()
	for key := range s.all {
		if strings.HasPrefix(key, textKind) {
			delete(s.all, key)
		}
	}
	s.mu.Unlock()
	fresh := New(Options{Documents: s})
	t.Cleanup(fresh.Close)
	if _, _, err := fresh.Ready(t.Context(), "journey", 1); err == nil || errors.Is(err, orchestrator.ErrNoDocument) {
		t.Errorf("a text that is missing is a fault: %v", err)
	}
}
