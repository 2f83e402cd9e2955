package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/web/access"
)

// fakeLetters are the dead letters of a broker.
type fakeLetters struct{ asked []string }

func (f *fakeLetters) LetterGroups(context.Context) ([]LetterGroup, error) {
	return []LetterGroup{{Group: "mail", Letters: 2, AtMost: true}, {Group: "stock"}}, nil
}

func (f *fakeLetters) Letters(_ context.Context, group, cursor string, limit int) ([]Letter, string, error) {
	f.asked = append(f.asked, fmt.Sprintf("list %s %q %d", group, cursor, limit))
	l, err := f.Letter(context.Background(), group, "b.0.7")
	text := l
	text.Event, text.Origin = []byte("no JSON \xff"), nil
	return []Letter{l, text}, "b.0.9", err
}

func (f *fakeLetters) Letter(_ context.Context, group, id string) (Letter, error) {
	if group != "mail" {
		return Letter{}, orchestrator.ErrNoGroup
	}
	return Letter{
		ID: id, Origin: &LetterOrigin{MessageID: "C0", Found: true, Broker: "b", Queue: 3, Offset: 4},
		Properties: map[string]string{"TAGS": "g"}, EventLetter: orchestrator.EventLetter{
			EventEntry: orchestrator.EventEntry{Seq: 7, Topic: "concord-commit", At: 1, Event: []byte(`[{"subject":"h:1:2"}]`)},
			Attempts:   16, FailedAt: 2,
		},
	}, nil
}

func (f *fakeLetters) ReplayLetter(_ context.Context, group, id string) error {
	f.asked = append(f.asked, "replay "+group+" "+id)
	return nil
}

func (f *fakeLetters) DiscardLetter(_ context.Context, group, id string) error {
	f.asked = append(f.asked, "discard "+group+" "+id)
	return nil
}

func TestDeadLettersOfABrokerLookLikeOurs(t *testing.T) {
	t.Parallel()
	f := &fakeLetters{}
	r := setup(t, func(o *Options) { o.Letters, o.EventsElsewhere = f, "They are on topics." })
	_, got, _ := r.do(t, "GET", "/api/v1/events/deadletters", "")
	want := map[string]any{"items": []any{
		map[string]any{"group": "mail", "letters": 2.0, "atMost": true}, map[string]any{"group": "stock", "letters": 0.0},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	const mail = "/api/v1/events/groups/mail/deadletters"
	_, got, _ = r.do(t, "GET", mail+"?cursor=b.0.3&limit=2", "")
	letter := map[string]any{
		"id": "b.0.7", "seq": 7.0, "topic": "concord-commit", "at": "1970-01-01T00:00:00.001Z",
		"failedAt": "1970-01-01T00:00:00.002Z", "attempts": 16.0, "reason": "",
		"event":      []any{map[string]any{"subject": "h:1:2"}},
		"origin":     map[string]any{"messageId": "C0", "found": true, "broker": "b", "queue": 3.0, "offset": 4.0},
		"properties": map[string]any{"TAGS": "g"},
	}
	items := got["items"].([]any)
	if diff := cmp.Diff(letter, items[0]); diff != "" || got["next"] != "b.0.9" {
		t.Errorf("next %v %s", got["next"], diff)
	}
	if text := items[1].(map[string]any)["event"]; text != "no JSON \ufffd" {
		t.Errorf("%q", text)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", mail + "/b.0.7", "", 200},
		{"GET", "/api/v1/events/groups/none/deadletters/b.0.7", "", 404},
		{"GET", "/api/v1/events/groups/none/deadletters", "", 404},
		{"POST", mail + "/b.0.7/replay", "", 204},
		{"DELETE", mail + "/b.0.7", "", 400},
		{"DELETE", mail + "/b.0.7", `{"reason":"gone"}`, 204},
		{"GET", "/api/v1/events/groups", "", 409},
	} {
		if status, got, _ := r.do(t, c.method, c.path, c.body); status != c.status {
			t.Errorf("%s %s: %d %v", c.method, c.path, status, got)
		}
	}
	asked := []string{`list mail "b.0.3" 2`, `list none "" 50`, "replay mail b.0.7", "discard mail b.0.7"}
	if diff := cmp.Diff(asked, f.asked); diff != "" {
		t.Error(diff)
	}
	if status, got, _ := setup(t, nil).do(t, "GET", mail, ""); status != 409 || got["code"] != "eventsElsewhere" {
		t.Errorf("%d %v", status, got)
	}
}

func TestReasonsOfDiscardsAreInTheJournal(t *testing.T) {
	t.Parallel()
	f := &fakeLetters{}
	g := guarded(t, func(o *Options) { o.Letters = f })
	token := g.token(t, access.NewKey{Name: "bo", Roles: []string{"resolver", "operator"}})
	const letter = "/api/v1/events/groups/mail/deadletters/b.0.7"
	g.do(t, "DELETE", letter, `{"reason":"the customer is gone"}`, "Authorization", token)
	g.do(t, "POST", letter+"/replay", `{"reason":"mended"}`, "Authorization", token)
	lines := g.lines(t)
	for _, want := range []string{
		"intent deadletter.discard bo 0 the customer is gone", "outcome deadletter.discard bo 204 the customer is gone",
		"intent deadletter.replay bo 0 mended", "outcome deadletter.replay bo 204 mended",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is missing in %q", want, lines)
		}
	}
}

// fakeStream gives decisions of a broker.
type fakeStream struct {
	steps chan DecisionStep
	from  chan string
	ended chan error
}

func (f *fakeStream) FollowDecisions(ctx context.Context, from string, yield func(DecisionStep) error) (err error) {
	defer func() { f.ended <- err }()
	if from == "bad" {
		return orchestrator.ErrCursor
	}
	f.from <- from
	for {
		select {
		case s := <-f.steps:
			if err := yield(s); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestDecisionsOfABrokerAreStreamed(t *testing.T) {
	t.Parallel()
	f := &fakeStream{make(chan DecisionStep), make(chan string, 100), make(chan error, 100)}
	r := setup(t, func(o *Options) { o.DecisionStream, o.Heartbeat = f, 1 })
	address, _ := r.serve(t)
	ctx, leave := context.WithCancel(t.Context())
	give := func(s DecisionStep) {
		t.Helper()
		select {
		case f.steps <- s:
		case <-t.Context().Done():
			t.Fatal("nobody reads")
		}
	}
	go func() { f.steps <- DecisionStep{Place: "p2"} }() // the answer begins with it
	got := eventsUntil(ctx, t, address+"/api/v1/decisions/stream", "Last-Event-ID", "p1")
	if from := <-f.from; from != "p1" {
		t.Errorf("it begins at %q", from)
	}
	expect(t, got, "id: p2|: alive")
	give(DecisionStep{Place: "p3", Decisions: []PublishedDecision{{Event: []byte(`{"a":1}`)}, {Event: []byte(`{"b":2}`)}}})
	give(DecisionStep{Place: "p4", Gap: &DecisionGap{Topic: "t", Broker: "b", Queue: 2, First: 9}})
	give(DecisionStep{Place: "p5", Decisions: []PublishedDecision{{Event: []byte(`{"c":3}`)}}})
	give(DecisionStep{Place: "p5"})
	expect(t, got, `data: {"a":1}`, `id: p3|data: {"b":2}`,
		`event: gap|data: {"topic":"t","broker":"b","queue":2,"first":9}`, `id: p5|data: {"c":3}`)
	give(DecisionStep{Place: "p5"})
	expect(t, got, ": alive")
	leave()
	if err := <-f.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("when the reader is gone: %v", err)
	}
	if status, got, _ := r.do(t, "GET", "/api/v1/decisions/stream?from=bad", ""); status != 400 {
		t.Errorf("%d %v", status, got)
	}
	<-f.ended
	r.server.followers.Add(followersMax)
	if status, got, _ := r.do(t, "GET", "/api/v1/decisions/stream", ""); status != 503 || got["code"] != "busy" {
		t.Errorf("too many: %d %v", status, got)
	}
	if n := r.server.followers.Load(); n != followersMax {
		t.Errorf("%d followers", n)
	}
}

// removing is a log one of whose groups is removed while it is looked at.
type removing struct{ *fakeEvents }

func (removing) Groups() []orchestrator.EventGroup {
	return []orchestrator.EventGroup{{Name: "gone"}, {Name: "mail"}}
}

func (r removing) DeadLetters(group string, after uint64, limit int) ([]orchestrator.EventLetter, error) {
	if group == "gone" {
		return nil, fmt.Errorf("group %s: %w", group, orchestrator.ErrNoGroup)
	}
	return r.fakeEvents.DeadLetters(group, after, limit)
}

func TestAGroupThatIsRemovedHidesNoOther(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Events = removing{newFakeEvents(1)} })
	status, got, _ := r.do(t, "GET", "/api/v1/events/deadletters", "")
	if items, _ := got["items"].([]any); status != 200 || len(items) != 1 {
		t.Errorf("%d %v", status, got)
	}
}
