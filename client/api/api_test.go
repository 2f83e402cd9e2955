package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/api"
)

// script is a server that answers one request after the other as it is told; the last answer stays.
type script struct {
	*httptest.Server
	mu    sync.Mutex
	steps []http.HandlerFunc
	seen  []*http.Request
}

func serve(t *testing.T, steps ...http.HandlerFunc) *script {
	t.Helper()
	s := &script{steps: steps}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the end of the connection is noticed
		s.mu.Lock()
		do := s.steps[min(len(s.seen), len(s.steps)-1)]
		s.seen = append(s.seen, r)
		s.mu.Unlock()
		do(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// requests returns what has come so far.
func (s *script) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.seen...)
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func refuses(p api.Problem) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p)
	}
}

// loses takes a request and cuts the connection without an answer.
func loses(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// nobody returns an address at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

func open(t *testing.T, o api.Options) *api.Client {
	t.Helper()
	if o.RetryFirst == 0 {
		o.RetryFirst, o.RetryMax = time.Millisecond, 5*time.Millisecond
	}
	c, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

var busy = api.Problem{Status: 503, Code: "busy", Title: "Busy.", Retryable: true}

func post() api.Request {
	return api.Request{Method: http.MethodPost, Path: "/things", Body: map[string]int{"n": 1}}
}

func TestAPostKeepsItsKeyWhenItIsSentAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, refuses(busy), loses, says(201, `{"id":"7"}`))
	var out struct{ ID string }
	a, err := open(t, api.Options{Endpoints: []string{s.URL}, Key: "secret"}).Do(t.Context(), post(), &out)
	if err != nil || out.ID != "7" || a.Status != 201 {
		t.Fatalf("%v %v %v", a, out, err)
	}
	keys := map[string]bool{}
	for _, r := range s.requests() {
		keys[r.Header.Get("Idempotency-Key")] = true
		if r.Header.Get("Authorization") != "Bearer secret" || r.URL.Path != "/api/v1/things" {
			t.Errorf("%s with %v", r.URL, r.Header)
		}
	}
	if len(s.requests()) != 3 || len(keys) != 1 || keys[""] {
		t.Errorf("%d requests with the keys %v", len(s.requests()), keys)
	}
}

func TestTheNextServerIsAskedWhenOneIsAway(t *testing.T) {
	t.Parallel()
	s := serve(t, says(200, `{}`))
	c := open(t, api.Options{Endpoints: []string{nobody(t), s.URL}, RetryFirst: time.Hour, RetryMax: time.Hour})
	for range 2 { // the second request goes to the one that answered
		r := post()
		r.NoKey = true
		if _, err := c.Do(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestWhatIsNotSafeIsSentOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, loses, says(200, `{}`))
	r := post()
	r.NoKey = true
	_, err := open(t, api.Options{Endpoints: []string{s.URL}}).Do(t.Context(), r, nil)
	if !errors.Is(err, api.ErrUnknown) || errors.Is(err, api.ErrUnreachable) || len(s.requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(s.requests()))
	}
}

func TestNobodyWasReached(t *testing.T) {
	t.Parallel()
	o := api.Options{Endpoints: []string{nobody(t), nobody(t)}, Patience: 20 * time.Millisecond}
	_, err := open(t, o).Do(t.Context(), post(), nil)
	if !errors.Is(err, api.ErrUnreachable) || errors.Is(err, api.ErrUnknown) {
		t.Error(err)
	}
}

func TestALostAnswerIsUnknownEvenIfLaterNobodyIsReached(t *testing.T) {
	t.Parallel()
	s := serve(t, loses)
	_, err := open(t, api.Options{Endpoints: []string{s.URL, nobody(t)}, Patience: 30 * time.Millisecond}).
		Do(t.Context(), post(), nil)
	if !errors.Is(err, api.ErrUnknown) || errors.Is(err, api.ErrUnreachable) {
		t.Error(err)
	}
}

// TestOnlyAnAnswerToThisRequestEndsTheDoubt about one that was lost: a proxy, or a server that does not let us in any
// more, says nothing of the first.
func TestOnlyAnAnswerToThisRequestEndsTheDoubt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		second  http.HandlerFunc
		unknown bool
	}{
		"proxy":  {says(404, "<h1>no such host</h1>"), true},
		"moved":  {says(307, ""), true},
		"key":    {refuses(api.Problem{Status: 401, Code: "unauthenticated", Title: "Who?"}), true},
		"role":   {refuses(api.Problem{Status: 403, Code: "forbidden", Title: "No."}), true},
		"answer": {refuses(api.Problem{Status: 409, Code: "pastPivot", Title: "No."}), false},
	} {
		s := serve(t, loses, c.second)
		_, err := open(t, api.Options{Endpoints: []string{s.URL}}).Do(t.Context(), post(), nil)
		if n := len(s.requests()); err == nil || n != 2 || errors.Is(err, api.ErrUnknown) != c.unknown {
			t.Errorf("%s: %d requests, %v", name, n, err)
		}
		s = serve(t, c.second)
		_, err = open(t, api.Options{Endpoints: []string{s.URL}}).Do(t.Context(), post(), nil)
		if err == nil || errors.Is(err, api.ErrUnknown) {
			t.Errorf("%s, at once: %v", name, err)
		}
	}
}

// TestASuccessThatCannotBeReadIsUnknown, since it may be that of somebody else in between; it is not asked for again.
func TestASuccessThatCannotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	s := serve(t, says(200, "<h1>log in here</h1>"))
	var out struct{ ID string }
	_, err := open(t, api.Options{Endpoints: []string{s.URL}}).Do(t.Context(), post(), &out)
	if !errors.Is(err, api.ErrUnknown) || len(s.requests()) != 1 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

// TestWhatTheServerItselfDoesNotKnow is repeated only where the request says that this is harmless.
func TestWhatTheServerItselfDoesNotKnow(t *testing.T) {
	t.Parallel()
	fault := refuses(api.Problem{Status: 503, Code: "storeFault", Title: "Unknown."})
	for _, c := range []struct {
		name       string
		repeatable bool
		requests   int
	}{{"keyed", false, 1}, {"repeatable", true, 2}} {
		s := serve(t, fault, says(200, `{}`))
		r := post()
		r.Repeatable = c.repeatable
		_, err := open(t, api.Options{Endpoints: []string{s.URL}}).Do(t.Context(), r, nil)
		if n := len(s.requests()); n != c.requests || errors.Is(err, api.ErrUnknown) == c.repeatable {
			t.Errorf("%s: %d requests, %v", c.name, n, err)
		}
	}
}

func TestARefusalIsAProblem(t *testing.T) {
	t.Parallel()
	want := api.Problem{Status: 409, Code: "pastPivot", Title: "No way back.", Detail: "pay", RequestID: "r1"}
	s := serve(t, refuses(want))
	_, err := open(t, api.Options{Endpoints: []string{s.URL}}).Do(t.Context(), post(), nil)
	var p *api.Problem
	if !errors.As(err, &p) || api.CodeOf(err) != "pastPivot" || errors.Is(err, api.ErrUnknown) || len(s.requests()) != 1 {
		t.Fatalf("%v", err)
	}
	got := *p
	got.Body = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := "POST /things: No way back. pay (409 pastPivot, request r1)"; err.Error() != text {
		t.Errorf("%s", err)
	}
}

func TestThePageOfAProxyIsNoProblemDocument(t *testing.T) {
	t.Parallel()
	s := serve(t, says(502, "<h1>bad\n gateway</h1>"), says(200, `{}`))
	if _, err := open(t, api.Options{Endpoints: []string{s.URL}}).Do(t.Context(), post(), nil); err != nil {
		t.Error(err)
	}
	s = serve(t, says(502, "<h1>bad\n gateway</h1>"))
	_, err := open(t, api.Options{Endpoints: []string{s.URL}, Patience: -1}).Do(t.Context(), post(), nil)
	if !errors.Is(err, api.ErrUnknown) || api.CodeOf(err) != "" || !strings.Contains(err.Error(), "bad gateway") {
		t.Error(err)
	}
}

func TestAnswersHaveABound(t *testing.T) {
	t.Parallel()
	s := serve(t, says(200, `"`+strings.Repeat("x", 100)+`"`))
	var out string
	_, err := open(t, api.Options{Endpoints: []string{s.URL}, AnswerBytesMax: 101}).Do(t.Context(), post(), &out)
	if !errors.Is(err, api.ErrAnswerTooLarge) || out != "" {
		t.Errorf("%q %v", out, err)
	}
	_, err = open(t, api.Options{Endpoints: []string{s.URL}, AnswerBytesMax: 102}).Do(t.Context(), post(), &out)
	if err != nil || len(out) != 100 {
		t.Errorf("%q %v", out, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	thief := serve(t, says(200, `{}`))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	})
	_, err := open(t, api.Options{Endpoints: []string{s.URL}, Key: "secret"}).Do(t.Context(), post(), nil)
	if err == nil || len(thief.requests()) != 0 {
		t.Errorf("%v, the other server got %d requests", err, len(thief.requests()))
	}
}

func TestAKeyDoesNotGoOverPlainHTTP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o  api.Options
		ok bool
	}{
		{api.Options{Endpoints: []string{"http://concord.example:8088"}, Key: "k"}, false},
		{api.Options{Endpoints: []string{"http://concord.example:8088"}, Key: "k", Insecure: true}, true},
		{api.Options{Endpoints: []string{"http://concord.example:8088"}}, true},
		{api.Options{Endpoints: []string{"https://concord.example:8088"}, Key: "k"}, true},
		{api.Options{Endpoints: []string{"http://127.0.0.1:8088", "http://[::1]:1", "http://localhost"}, Key: "k"}, true},
		{api.Options{Endpoints: []string{"concord.example:8088"}}, false},
		{api.Options{Endpoints: []string{"http://a:b@concord.example"}}, false},
		{api.Options{}, false},
	} {
		if _, err := api.New(c.o); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.o.Endpoints, err)
		}
	}
}

func TestAnEndpointWithoutSchemeIsToldSo(t *testing.T) {
	t.Parallel()
	for _, e := range []string{"127.0.0.1:8088", "concord.example:8088", "concord.example", "ftp://concord.example"} {
		_, err := api.New(api.Options{Endpoints: []string{e}})
		if err == nil || !strings.Contains(err.Error(), "does not begin with http:// or https://") {
			t.Errorf("%s: %v", e, err)
		}
	}
}

func TestARequestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	_, err := open(t, api.Options{Endpoints: []string{s.URL}}).Do(ctx, post(), nil)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, api.ErrUnknown) || len(s.requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(s.requests()))
	}
}

func TestTheEndOfTheContextIsSaid(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := open(t, api.Options{Endpoints: []string{nobody(t)}}).Do(ctx, post(), nil)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, api.ErrUnreachable) {
		t.Error(err)
	}
}

func TestASilentServerIsGivenUpAfterTheTimeout(t *testing.T) {
	t.Parallel()
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	s := serve(t, silent, says(200, `{}`))
	o := api.Options{Endpoints: []string{s.URL}, Timeout: 30 * time.Millisecond}
	if _, err := open(t, o).Do(t.Context(), post(), nil); err != nil {
		t.Error(err)
	}
}

func TestTLSIsWhatTheOptionsSay(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(says(200, `{}`))
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	o := api.Options{Endpoints: []string{s.URL}, Key: "k", TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	if _, err := open(t, o).Do(t.Context(), post(), nil); err != nil {
		t.Error(err)
	}
	o.TLS, o.Patience = nil, -1
	if _, err := open(t, o).Do(t.Context(), post(), nil); err == nil {
		t.Error("an unknown authority was believed")
	}
}

func TestTheTraceGoesAlong(t *testing.T) {
	t.Parallel()
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	s := serve(t, says(200, `{}`))
	c := open(t, api.Options{Endpoints: []string{s.URL}})
	for _, given := range []string{trace, "", "nonsense"} {
		if _, err := c.Do(api.WithTraceparent(t.Context(), given), post(), nil); err != nil {
			t.Error(err)
		}
	}
	for i, want := range []string{trace, "", ""} {
		if got := s.requests()[i].Header.Get("Traceparent"); got != want {
			t.Errorf("%d: %q", i, got)
		}
	}
}

func TestPathsAreEscaped(t *testing.T) {
	t.Parallel()
	if got := api.Path("sagas", "runs", "10.0.0.1:8091:7", "a/b c"); got != "/sagas/runs/10.0.0.1:8091:7/a%2Fb%20c" {
		t.Error(got)
	}
}
