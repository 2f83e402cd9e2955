package web

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/journal"
	"github.com/concord-tx/concord/web/webtest"
)

// whole is a fake whose begin is all or nothing, as the real one is.
type whole struct{ *fake }

func (w whole) Start(req orchestrator.BeginRequest, done func(*txn.Global, error)) {
	w.fake.Start(req, func(g *txn.Global, err error) {
		if err != nil {
			w.mu.Lock()
			delete(w.all, w.begunLast())
			w.mu.Unlock()
		}
		done(g, err)
	})
}

// begunLast is the newest transaction. The mutex is held.
func (w whole) begunLast() int64 { return slices.Max(slices.Collect(maps.Keys(w.all))) }

// fuzzed is a server with all parts that need no network.
type fuzzed struct {
	fake      *fake
	events    *fakeEvents
	documents *webtest.Documents
	server    *Server
}

func newFuzzed(t *testing.T) *fuzzed {
	f := &fuzzed{
		fake: &fake{now: 1_700_000_000_123, all: map[int64]*txn.Global{}}, events: newFakeEvents(2),
		documents: webtest.NewDocuments(webtest.NewClock(1_700_000_000_123)),
	}
	f.server = New(Options{
		Coordinator: whole{f.fake}, Clock: f.fake, Dev: true, Prefix: "10.0.0.5:8091", BodyBytesMax: 4 << 10,
		Documents: f.documents, Events: f.events, Access: access.New(access.Options{Documents: f.documents, Clock: f.fake}),
		Journal: journal.New(journal.Options{Documents: f.documents, Clock: f.fake, Node: "a"}), Heartbeat: time.Hour,
		FourEyes: FourEyesOperations(),
	})
	for _, id := range []string{"100", "200"} { // what waits for a second person, who is never found here
		a := Approval{
			ID: id, State: ApprovalPending, Action: FourEyesSkip, XID: id, Branch: "201", AskedBy: "dev", Digest: "x",
			ExpiresAt: when(f.fake.now.Add(time.Hour)),
		}
		if err := f.server.put(t.Context(), approvalKind, id, 1, &a, 0); err != nil {
			t.Fatal(err)
		}
	}
	f.fake.begin(t, 100)
	f.fake.begin(t, 200)
	f.fake.apply(200, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}, func(*txn.Global, error) {})
	return f
}

// state is all that a request may change, but for its own stored reply and what the journal says of it.
func (f *fuzzed) state(t *testing.T) string {
	var b strings.Builder
	f.fake.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(f.fake.all)) {
		fmt.Fprintf(&b, "%d %p\n", id, f.fake.all[id]) // an event that is applied makes a new one
	}
	f.fake.mu.Unlock()
	for _, kind := range []string{jobKind, approvalKind, "key", "session"} {
		all, err := f.documents.ListDocuments(t.Context(), orchestrator.DocumentQuery{Kind: kind, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			if kind == jobKind {
				d.Version = 0 // a job that was made before goes on meanwhile
			}
			fmt.Fprintf(&b, "%s %s %d\n", d.Kind, d.Key, d.Version)
		}
	}
	groups := f.events.Groups()
	slices.SortFunc(groups, func(a, b orchestrator.EventGroup) int { return strings.Compare(a.Name, b.Name) })
	fmt.Fprint(&b, groups)
	return b.String()
}

// send makes a request and judges the answer.
func (f *fuzzed) send(t *testing.T, method, path, query string, body []byte, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if strings.HasSuffix(path, "/stream") { // it lasts as long as the client wants
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:8088"+path, strings.NewReader(string(body)))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	req.URL.RawQuery = query
	req.RemoteAddr = "127.0.0.1:40000"
	if key != "" {
		req.Header.Set(idempotencyHeader, key)
	}
	before := f.state(t)
	w := httptest.NewRecorder()
	f.server.Handler().ServeHTTP(w, req)
	if w.Code < http.StatusBadRequest {
		return
	}
	var p Problem
	err = json.Unmarshal(w.Body.Bytes(), &p)
	if err != nil || p.Status != w.Code || p.Code == "" || p.Title == "" || p.Type != "urn:concord:error:"+p.Code ||
		w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%s %s: %d is no problem document: %s", method, path, w.Code, w.Body)
	}
	if w.Code == http.StatusInternalServerError {
		t.Fatalf("%s %s: %s", method, path, w.Body)
	}
	if after := f.state(t); after != before {
		t.Fatalf("%s %s is refused with %s and has changed something:\n%s\n%s", method, path, p.Code, before, after)
	}
}

// routesOf lists the paths that take one of the methods.
func routesOf(s *Server, methods ...string) (all [][2]string) {
	for _, r := range s.engine.Routes() {
		if slices.Contains(methods, r.Method) && strings.HasPrefix(r.Path, "/api/") {
			all = append(all, [2]string{r.Method, r.Path})
		}
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[1]+a[0], b[1]+b[0]) })
	return all
}

// fillWith puts a value in the place of each parameter of a path.
func fillWith(path, value string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ":") {
			parts[i] = url.PathEscape(value)
		}
	}
	return strings.Join(parts, "/")
}

// bodies are the seeds: what handlers take, and what is wrong with it.
var bodies = []string{
	"", "{}", "[]", "null", `"x"`, "{", `{"x":1}`, `{}{}`, "\x00", `{"name":1}`, `{"timeoutMs":-9223372036854775808}`,
	`{"application":"shop","name":"buy","timeoutMs":5,"data":{"a":[1]},"branches":[{"kind":"topic","topic":"a"}]}`,
	`{"branches":[{"kind":"tcc","confirmUrl":"http://a/c","cancelUrl":"http://a/d"},{"kind":"tcc"}]}`,
	`{"branches":[{"kind":"http","commitUrl":"http://a/c","headers":{"A":"b"},"retry":{"firstMs":1}}]}`,
	`{"kind":"tcc","confirmUrl":"http://a/c","cancelUrl":"http://a/d","payload":{"a":1},"key":"k"}`,
	`{"kind":"http","rollbackUrl":"http://a/d","timeoutMs":1e99}`, `{"kind":"topic","topic":"a","ack":"report"}`,
	`{"waitMs":0}`, `{"waitMs":99999999}`, `{"state":"done"}`, `{"state":"failed","message":"no"}`,
	`{"action":"commit"}`, `{"action":"skip","branch":"201"}`, `{"action":"release","branch":201}`,
	`{"action":"rollback","digest":"x","reason":"y"}`, `{"action":"retry","filter":{"live":true},"reason":"y"}`,
	`{"check":{"url":"http://a/check"},"deliveries":[{"topic":"a"}]}`, `{"name":"m","deliveries":[]}`,
	`{"topics":["a"],"from":"oldest"}`, `{"receipts":["1"]}`, `{"limit":1,"waitMs":0}`, `{"seq":"5"}`, `{"offset":1}`,
	`{"digest":"x","reason":"y"}`, `{"reason":"y"}`, `{"reason":""}`, `{"digest":1,"reason":"y"}`,
	`{"name":"k","roles":["admin"]}`, `{"name":"k","roles":["king"]}`, `{"value":"1s"}`, `{"token":"x"}`,
}

// FuzzChange sends any body to every handler that changes something. Whatever it is, the answer is a success or a
// problem document, and a request that is refused has changed nothing.
func FuzzChange(f *testing.F) {
	for i, body := range bodies {
		f.Add(uint8(i), "100", "", []byte(body), "")
		f.Add(uint8(i*7), "200", "", []byte(body), "key")
	}
	f.Add(uint8(0), "\x00/..%2f", "wait=x", []byte("{}"), "\x7f")
	f.Fuzz(func(t *testing.T, route uint8, param, query string, body []byte, key string) {
		x := newFuzzed(t)
		all := routesOf(x.server, http.MethodPost, http.MethodPut, http.MethodDelete)
		r := all[int(route)%len(all)]
		x.send(t, r[0], fillWith(r[1], param), query, body, key)
		x.send(t, r[0], fillWith(r[1], param), query, body, key) // again, with the same key
	})
}

// TestEveryBodyAtEveryHandler sends all seeds to all handlers, which a few seeds of the fuzzing do not.
func TestEveryBodyAtEveryHandler(t *testing.T) {
	t.Parallel()
	x := newFuzzed(t)
	all := routesOf(x.server, http.MethodPost, http.MethodPut, http.MethodDelete)
	if len(all) < 20 {
		t.Fatalf("only %d routes", len(all))
	}
	for _, r := range all {
		for _, param := range []string{"100", "200", "x"} {
			for i, body := range bodies {
				x.send(t, r[0], fillWith(r[1], param), "", []byte(body), fmt.Sprint(map[bool]string{true: param}[i%2 == 0]))
			}
		}
	}
}

// FuzzAsk sends any parameters to every handler that only reads; cursors are among them.
func FuzzAsk(f *testing.F) {
	for i := range uint8(40) {
		f.Add(i, "100", "cursor=AAAA&limit=1")
	}
	for i, query := range []string{
		"limit=-1", "limit=1e9", "cursor=%00", "since=1s&until=x", "status=Active&live=maybe", "holder=x", "from=-1",
		"after=18446744073709551616", "a=%zz", "limit=1&limit=2", "target=%ff", "wait=1h",
	} {
		f.Add(uint8(i*3), "x", query)
	}
	f.Fuzz(func(t *testing.T, route uint8, param, query string) {
		x := newFuzzed(t)
		all := routesOf(x.server, http.MethodGet)
		r := all[int(route)%len(all)]
		x.send(t, r[0], fillWith(r[1], param), query, nil, "")
	})
}

// FuzzXID reads any text as the name of a transaction.
func FuzzXID(f *testing.F) {
	for _, text := range []string{
		"1", "10.0.0.5:8091:100", "0", "-1", "+1", "01", "a:b:c", ":1", "1:", "[::1]:8091:5", "9223372036854775808", " 1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := xidOf(text)
		if err != nil {
			return
		}
		if id <= 0 || !strings.HasSuffix(text, decimal(id)) && !strings.HasSuffix(text, "0"+decimal(id)) {
			t.Errorf("%q is %d", text, id)
		}
		if again, err := xidOf(decimal(id)); err != nil || again != id {
			t.Errorf("%d is not read back: %d %v", id, again, err)
		}
	})
}
