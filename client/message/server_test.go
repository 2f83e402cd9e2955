package message_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence/httpfence"
	"github.com/concord-tx/concord/client/message"
)

// world is a real coordinator, a database, and who gets messages.
type world struct {
	t       *testing.T
	server  *clienttest.Process
	api     *api.Client
	ledger  *ledger
	check   *httptest.Server
	target  *httptest.Server
	mu      sync.Mutex
	arrived []string
}

func setup(t *testing.T, flags ...string) *world {
	t.Helper()
	w := &world{t: t, ledger: newLedger()}
	w.server = clienttest.Run(t, append(flags, "--retry-first", "100ms", "--retry-max", "500ms")...)
	w.check = httptest.NewServer(message.CheckHandler(w.ledger, message.CheckOptions{}))
	w.target = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.arrived = append(w.arrived, string(body))
	}))
	t.Cleanup(w.check.Close)
	t.Cleanup(w.target.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	w.api = w.client(nil)
	return w
}

func (w *world) client(transport http.RoundTripper) *api.Client {
	w.t.Helper()
	c, err := api.New(api.Options{
		Endpoints: []string{w.server.URL()}, Transport: transport, Patience: 200 * time.Millisecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// sender lives on, and has the time that it needs on a slow machine.
func (w *world) sender(c *api.Client) *message.Sender {
	w.t.Helper()
	return w.within(c, clienttest.Patience)
}

// hasty is a sender whose last words nobody hears.
func (w *world) hasty(c *api.Client) *message.Sender {
	w.t.Helper()
	return w.within(c, 300*time.Millisecond)
}

func (w *world) within(c *api.Client, end time.Duration) *message.Sender {
	w.t.Helper()
	s, err := message.New(message.Options{
		API: c, Store: w.ledger, CheckURL: w.check.URL, Application: "shop", EndTimeout: end,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) message(text string) message.Message {
	return message.Message{
		Name: "order placed", Timeout: 3 * time.Second, Data: map[string]string{"case": text},
		Deliveries: []message.Delivery{{URL: w.target.URL, Payload: text}},
	}
}

// quiet waits until the coordinator has nothing to do any more.
func (w *world) quiet() {
	w.t.Helper()
	deadline := time.Now().Add(clienttest.Patience)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		var page struct {
			Items []struct{ XID, Status string }
		}
		r := api.Request{Method: http.MethodGet, Path: "/transactions", Query: map[string][]string{"live": {"true"}}}
		if _, err := w.api.Do(w.t.Context(), r, &page); err != nil {
			w.t.Fatal(err)
		}
		if len(page.Items) == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("still live: %v\n%s", page.Items, w.server.Log())
		}
	}
}

// delivered returns the messages that have arrived, each once.
func (w *world) delivered() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := slices.Clone(w.arrived)
	slices.Sort(got)
	return slices.Compact(got)
}

// insert is the work of a local transaction.
func insert(row string) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.Exec(row)
		return err
	}
}

// TestASenderMayDieAtEachStep has a sender killed before and behind everything that leaves its process. Whatever it got
// done: what its database has committed is delivered, and nothing else is.
func TestASenderMayDieAtEachStep(t *testing.T) {
	t.Parallel()
	w := setup(t)
	steps := 0
	for ; ; steps++ {
		d := &death{left: steps}
		db := w.ledger.open(d.next, commits)
		row := fmt.Sprintf("case %02d", steps)
		err := w.hasty(w.client(d)).Do(t.Context(), db, w.message(row), insert(row))
		_ = db.Close()
		if d.survived() {
			if err != nil {
				t.Errorf("it lived, and got %v", err)
			}
			break
		}
		switch outcome := message.OutcomeOf(err); { // what a process that is cut off, but lives, would have been told
		case outcome == message.Sent && !w.ledger.has(row):
			t.Errorf("step %d: told sent, but it was not committed", steps)
		case outcome == message.RolledBack && w.ledger.has(row):
			t.Errorf("step %d: told rolled back, but it was committed: %v", steps, err)
		}
	}
	w.quiet()
	var want []string
	for i := range steps + 1 {
		if row := fmt.Sprintf("case %02d", i); w.ledger.has(row) {
			want = append(want, row)
		}
	}
	if got := w.delivered(); !slices.Equal(got, want) || len(want) < 3 || len(want) > steps-3 {
		t.Errorf("of %d cases these were committed: %v\nand these delivered: %v", steps, want, got)
	}
}

func TestTheWorkDecides(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := w.sender(w.api)
	db := w.ledger.open(lives, commits)
	defer func() { _ = db.Close() }()
	if err := s.Do(t.Context(), db, w.message("good"), insert("good")); err != nil {
		t.Error(err)
	}
	refusal := errors.New("no money")
	err := s.Do(t.Context(), db, w.message("bad"), func(tx *sql.Tx) error {
		return errors.Join(insert("bad")(tx), refusal)
	})
	if message.OutcomeOf(err) != message.RolledBack || !errors.Is(err, refusal) {
		t.Error(err)
	}
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v", r)
			}
		}()
		_ = s.Do(t.Context(), db, w.message("panic"), func(tx *sql.Tx) error { _ = insert("panic")(tx); panic("boom") })
	}()
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Do(ctx, db, w.message("cancelled"), func(tx *sql.Tx) error { cancel(); return insert("cancelled")(tx) })
	if message.OutcomeOf(err) != message.RolledBack || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	err = s.Do(ctx, db, w.message("cancelled before"), func(tx *sql.Tx) error {
		cancel()
		for { // until database/sql has rolled it back
			if err := insert("cancelled before")(tx); errors.Is(err, sql.ErrTxDone) {
				return err
			}
		}
	})
	if message.OutcomeOf(err) != message.RolledBack || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.quiet()
	if got := w.delivered(); !slices.Equal(got, []string{"good"}) || w.ledger.has("bad") || w.ledger.has("panic") {
		t.Errorf("delivered %v", got)
	}
}

// TestALostAnswerToCommitIsFoundOut has the answer to COMMIT lost, where it has worked and where it has not.
func TestALostAnswerToCommitIsFoundOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := w.sender(w.api)
	lost := errors.New("the connection is gone")
	done := w.ledger.open(lives, func(apply func()) error { apply(); return lost })
	undone := w.ledger.open(lives, func(func()) error { return lost })
	defer func() { _, _ = done.Close(), undone.Close() }()
	if err := s.Do(t.Context(), done, w.message("done"), insert("done")); err != nil {
		t.Errorf("committed: %v", err)
	}
	err := s.Do(t.Context(), undone, w.message("undone"), insert("undone"))
	if message.OutcomeOf(err) != message.RolledBack || !errors.Is(err, lost) {
		t.Errorf("not committed: %v", err)
	}
	w.quiet()
	if got := w.delivered(); !slices.Equal(got, []string{"done"}) {
		t.Errorf("delivered %v", got)
	}
}

// TestACoordinatorThatDiesBeforeTheSubmitAsks kills it between the local transaction and the submit.
func TestACoordinatorThatDiesBeforeTheSubmitAsks(t *testing.T) {
	t.Parallel()
	w := setup(t)
	db := w.ledger.open(lives, func(apply func()) error { w.server.Kill(); apply(); return nil })
	defer func() { _ = db.Close() }()
	if err := w.hasty(w.api).Do(t.Context(), db, w.message("kept"), insert("kept")); err != nil {
		t.Error(err)
	}
	w.server.Restart()
	w.quiet()
	if got := w.delivered(); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("delivered %v", got)
	}
}

func TestSubmitAfterAWithdrawalIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := w.sender(w.api)
	m := w.message("never")
	m.Key = "order-7"
	xid, err := s.Prepare(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Prepare(t.Context(), m); err != nil || again != xid {
		t.Errorf("prepared with the same key: %s, not %s: %v", again, xid, err)
	}
	for range 2 {
		if err := s.Withdraw(t.Context(), xid); err != nil {
			t.Error(err)
		}
	}
	if err := s.Submit(t.Context(), xid); message.OutcomeOf(err) != message.Withdrawn {
		t.Error(err)
	}
	w.quiet()
	if got := w.delivered(); len(got) != 0 {
		t.Errorf("delivered %v", got)
	}
}

// cancels ends a context at a step, and is no other trouble.
type cancels struct {
	death
	cancel context.CancelFunc
}

func (c *cancels) next() error {
	if c.death.next() != nil {
		c.cancel()
	}
	return nil
}

// RoundTrip has a step before and behind each request.
func (c *cancels) RoundTrip(r *http.Request) (*http.Response, error) {
	_ = c.next()
	resp, err := http.DefaultTransport.RoundTrip(r)
	_ = c.next()
	return resp, err
}

// TestAContextMayEndAtEachStep has the caller give up before and behind everything that leaves the process. What it is
// told is true.
func TestAContextMayEndAtEachStep(t *testing.T) {
	t.Parallel()
	w := setup(t)
	outcomes := map[message.Outcome]int{}
	var want []string
	for steps := 0; ; steps++ {
		ctx, cancel := context.WithCancel(t.Context())
		c := &cancels{death: death{left: steps}, cancel: cancel}
		db := w.ledger.open(c.next, commits)
		row := fmt.Sprintf("case %02d", steps)
		err := w.sender(w.client(c)).Do(ctx, db, w.message(row), insert(row))
		_ = db.Close()
		cancel()
		outcome := message.OutcomeOf(err)
		outcomes[outcome]++
		if (outcome == message.Sent) != w.ledger.has(row) || outcome == message.Unknown {
			t.Errorf("step %d: %v, and it was committed: %v: %v", steps, outcome, w.ledger.has(row), err)
		}
		if outcome == message.Sent {
			want = append(want, row)
		}
		if c.survived() {
			break
		}
	}
	w.quiet()
	if got := w.delivered(); !slices.Equal(got, want) || outcomes[message.Sent] < 2 || outcomes[message.RolledBack] < 3 {
		t.Errorf("%v; delivered: %v, not %v", outcomes, got, want)
	}
}

// TestDoTakesNoKey since a message that is known by it may have been withdrawn.
func TestDoTakesNoKey(t *testing.T) {
	t.Parallel()
	w := setup(t)
	db := w.ledger.open(lives, commits)
	defer func() { _ = db.Close() }()
	m := w.message("keyed")
	m.Key = "k"
	if err := w.sender(w.api).Do(t.Context(), db, m, insert("keyed")); message.OutcomeOf(err) != message.RolledBack {
		t.Error(err)
	}
}

// TestTheCoordinatorsSignatureIsVerified has a real coordinator sign its question.
func TestTheCoordinatorsSignatureIsVerified(t *testing.T) {
	t.Parallel()
	w := setup(t, "--callback-secrets", "0123456789abcdef")
	var genuine, forged atomic.Int32
	check := httptest.NewServer(message.CheckHandler(w.ledger, message.CheckOptions{
		Verify: func(r *http.Request, body []byte) error {
			err := httpfence.Verify(r, body, [][]byte{[]byte("0123456789abcdef")}, time.Now())
			if err == nil {
				genuine.Add(1)
			} else {
				forged.Add(1)
			}
			return err
		},
	}))
	t.Cleanup(check.Close)
	s, err := message.New(message.Options{API: w.api, CheckURL: check.URL})
	if err != nil {
		t.Fatal(err)
	}
	m := w.message("silent")
	m.Timeout = 50 * time.Millisecond
	xid, err := s.Prepare(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(check.URL+"?concord-operation=check&concord-xid="+xid, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	w.quiet()
	if resp.StatusCode != http.StatusUnauthorized || genuine.Load() == 0 || forged.Load() != 1 {
		t.Errorf("a forged question: %s; %d genuine, %d forged", resp.Status, genuine.Load(), forged.Load())
	}
}

// TestEverythingThatAMessageMayHaveIsTaken has a real server look at each field, and what was delivered.
func TestEverythingThatAMessageMayHaveIsTaken(t *testing.T) {
	t.Parallel()
	w := setup(t)
	headers := make(chan string, 10)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		headers <- r.Header.Get("Shop") + " " + r.Header.Get("Concord-Operation") + " " + string(body)
	}))
	t.Cleanup(target.Close)
	s, err := message.New(message.Options{
		API: w.api, CheckURL: w.check.URL, CheckHeaders: map[string]string{"Shop": "1"}, CheckTimeout: time.Second,
		CheckRetry:  message.Retry{First: time.Second, Max: time.Minute, Attempts: 3},
		Application: "shop", Group: "blue",
	})
	if err != nil {
		t.Fatal(err)
	}
	retry := message.Retry{First: 10 * time.Millisecond, Max: time.Second, Attempts: 7}
	xid, err := s.Prepare(t.Context(), message.Message{
		Name: "order", Timeout: time.Minute, Data: []int{1, 2}, Deliveries: []message.Delivery{
			{URL: target.URL, Payload: map[string]int{"n": 7}, Headers: map[string]string{"Shop": "a"}, Timeout: time.Second},
			{URL: target.URL, Payload: []byte("bytes"), Headers: map[string]string{"Shop": "b"}, Retry: retry},
			{Topic: "mails", Payload: "text", Report: true},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Submit(t.Context(), xid); err != nil {
		t.Fatal(err)
	}
	got := []string{<-headers, <-headers}
	slices.Sort(got)
	if want := []string{`a commit {"n":7}`, "b commit bytes"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	var detail struct {
		Application, Group, Name, Data string
		Branches                       []struct{ Kind, Ack string }
	}
	r := api.Request{Method: http.MethodGet, Path: api.Path("transactions", xid)}
	if _, err := w.api.Do(t.Context(), r, &detail); err != nil {
		t.Fatal(err)
	}
	if detail.Application != "shop" || detail.Group != "blue" || detail.Name != "order" || detail.Data != "[1,2]" ||
		len(detail.Branches) != 4 || detail.Branches[3].Ack != "report" {
		t.Errorf("%+v", detail)
	}
	for name, m := range map[string]message.Message{
		"nowhere": {Deliveries: []message.Delivery{{}}},
		"both":    {Deliveries: []message.Delivery{{URL: target.URL, Topic: "t"}}},
		"none":    {},
		"no JSON": {Deliveries: []message.Delivery{{Topic: "t", Payload: func() {}}}},
		"no data": {Data: func() {}, Deliveries: []message.Delivery{{Topic: "t"}}},
	} {
		if xid, err := s.Prepare(t.Context(), m); err == nil {
			t.Errorf("%s: prepared as %s", name, xid)
		}
	}
}

func TestOutcomesHaveWords(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "sent"},
		{fmt.Errorf("wrapped: %w", &message.RolledBackError{Cause: cause}), "rolled back"},
		{&message.UnknownError{XID: "x", Cause: cause}, "unknown"},
		{&message.WithdrawnError{XID: "x"}, "withdrawn"},
		{cause, "unknown"},
	} {
		if got := message.OutcomeOf(c.err); got.String() != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
		if c.err != nil && !errors.Is(c.err, cause) && c.want != "withdrawn" {
			t.Errorf("%v does not wrap its cause", c.err)
		}
	}
}

func TestWithoutACoordinatorNothingHappens(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.server.Kill()
	db := w.ledger.open(lives, commits)
	defer func() { _ = db.Close() }()
	err := w.sender(w.api).Do(t.Context(), db, w.message("x"), insert("x"))
	if message.OutcomeOf(err) != message.RolledBack || !errors.Is(err, api.ErrUnreachable) || w.ledger.has("x") {
		t.Error(err)
	}
}
