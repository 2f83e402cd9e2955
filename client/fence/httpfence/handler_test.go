package httpfence_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/callback"
	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/fencetest"
	"github.com/concord-tx/concord/client/fence/httpfence"
)

const (
	secret = "0123456789abcdef"
	now    = 1767225600
	target = "/confirm?concord-xid=10.0.0.1:8091:70&concord-branch=71&concord-operation=confirm&concord-attempt=1" +
		"&idempotency-key=10.0.0.1:8091:70/71/confirm"
)

func key() fence.Key { return fence.Key{XID: "10.0.0.1:8091:70", Branch: 71} }

func clock() time.Time { return time.Unix(now, 0) }

func request(t testing.TB, target, body string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
}

// signed signs as the coordinator does.
func signed(t testing.TB, target, body string, secrets ...string) *http.Request {
	t.Helper()
	r := request(t, target, body)
	var all []string
	for _, s := range secrets {
		all = append(all, callback.Sign([]byte(s), now, target, []byte(body)))
	}
	r.Header.Set("Concord-Timestamp", strconv.Itoa(now))
	r.Header.Set("Concord-Signature", strings.Join(all, ","))
	return r
}

// TestGenuineRequestsAreTheCoordinators uses the vectors of docs/PARTICIPANTS.md, and the coordinator's own signer.
func TestGenuineRequestsAreTheCoordinators(t *testing.T) {
	t.Parallel()
	secrets := [][]byte{[]byte(secret)}
	vector := request(t, target, `{"sku":7}`)
	vector.Header.Set("Concord-Timestamp", strconv.Itoa(now))
	vector.Header.Set("Concord-Signature", "v2=00, v1=1f715e15fba04de383a1d4bf949ef4595386194124aa30f3fe8809334a3debfd")
	if err := httpfence.Verify(vector, []byte(`{"sku":7}`), secrets, clock()); err != nil {
		t.Error(err)
	}
	other := strings.Repeat("x", 16)
	for name, c := range map[string]struct {
		r       *http.Request
		body    string
		secrets [][]byte
		at      time.Time
		genuine bool
	}{
		"signed":             {signed(t, target, "b", secret), "b", secrets, clock(), true},
		"two secrets there":  {signed(t, target, "b", other, secret), "b", secrets, clock(), true},
		"two secrets here":   {signed(t, target, "b", secret), "b", [][]byte{[]byte(other), []byte(secret)}, clock(), true},
		"four minutes later": {signed(t, target, "b", secret), "b", secrets, clock().Add(4 * time.Minute), true},
		"six minutes later":  {signed(t, target, "b", secret), "b", secrets, clock().Add(6 * time.Minute), false},
		"six minutes before": {signed(t, target, "b", secret), "b", secrets, clock().Add(-6 * time.Minute), false},
		"another body":       {signed(t, target, "b", secret), "c", secrets, clock(), false},
		"another secret":     {signed(t, target, "b", other), "b", secrets, clock(), false},
		"no secret":          {signed(t, target, "b", ""), "b", [][]byte{nil}, clock(), false},
		"no secrets":         {signed(t, target, "b", secret), "b", nil, clock(), false},
		"not signed":         {request(t, target, "b"), "b", secrets, clock(), false},
	} {
		err := httpfence.Verify(c.r, []byte(c.body), c.secrets, c.at)
		if (err == nil) != c.genuine || err != nil && !errors.Is(err, httpfence.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := signed(t, target, "b", secret)
	r.RequestURI = strings.Replace(r.RequestURI, "71", "72", 1)
	if httpfence.Verify(r, []byte("b"), secrets, clock()) == nil {
		t.Error("another branch is genuine")
	}
}

func TestWhatWeSignIsGenuine(t *testing.T) {
	t.Parallel()
	out, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://stock.example/try?a=b%20c", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := httpfence.Call{XID: "10.0.0.1:8091:70", Branch: 71, Operation: "try"}
	want.Name(out.URL)
	httpfence.Sign(out, []byte("b"), []byte(secret), clock())
	in := request(t, out.URL.RequestURI(), "b")
	in.Header = out.Header
	if err := httpfence.Verify(in, []byte("b"), [][]byte{[]byte(secret)}, clock()); err != nil {
		t.Error(err)
	}
	if got, err := httpfence.Parse(in); err != nil || got != want || in.URL.Query().Get("a") != "b c" {
		t.Errorf("%+v, %v", got, err)
	}
}

// rig is a handler behind a fence.
type rig struct {
	memory  *fencetest.Memory
	handler http.Handler
	ran     int
	answer  int
}

func setup(o httpfence.Options) *rig {
	r := &rig{memory: &fencetest.Memory{}, answer: http.StatusOK}
	r.handler = httpfence.Handler(r.memory, o, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.ran++
		body, _ := io.ReadAll(req.Body)
		w.Header().Set("X-Ran", strconv.Itoa(r.ran))
		w.WriteHeader(r.answer)
		_, _ = w.Write(body)
	}))
	return r
}

func (r *rig) serve(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

func (r *rig) ask(t testing.TB, operation string) *httptest.ResponseRecorder {
	t.Helper()
	req := request(t, "/x", "body of "+operation)
	httpfence.Call{XID: key().XID, Branch: key().Branch, Operation: operation}.Name(req.URL)
	return r.serve(req)
}

// TestOperationsFollowTheTable: what is answered says what the coordinator has to do.
func TestOperationsFollowTheTable(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]struct {
		operation string
		code      int
		ran       int
	}{
		"tcc":         {{"try", 200, 1}, {"try", 200, 1}, {"confirm", 200, 2}, {"confirm", 200, 2}, {"cancel", 409, 2}},
		"http":        {{"commit", 200, 1}, {"commit", 200, 1}},
		"http undone": {{"rollback", 200, 1}, {"rollback", 200, 1}},
		"null cancel": {{"cancel", 200, 0}, {"try", 409, 0}, {"cancel", 200, 0}, {"confirm", 409, 0}},
		"early":       {{"confirm", 503, 0}, {"try", 200, 1}, {"confirm", 200, 2}},
		"saga":        {{"forward", 200, 1}, {"forward", 200, 1}, {"compensate", 200, 2}, {"forward", 409, 2}},
		"null undo":   {{"compensate", 200, 0}, {"forward", 409, 0}},
		"no question": {{"check", 400, 0}, {"", 400, 0}, {"TRY", 400, 0}},
	} {
		r := setup(httpfence.Options{})
		for i, s := range steps {
			w := r.ask(t, s.operation)
			if w.Code != s.code || r.ran != s.ran {
				t.Errorf("%s, %d, %s: %d, ran %d times; want %d, %d", name, i, s.operation, w.Code, r.ran, s.code, s.ran)
			}
			problem := w.Header().Get("Content-Type") == "application/problem+json"
			if problem != (w.Code >= 400) || problem && !strings.Contains(w.Body.String(), `"detail":"`) {
				t.Errorf("%s, %s: %s %s", name, s.operation, w.Header(), w.Body)
			}
		}
	}
}

func TestWhatTheHandlerAnswersIsSentAfterTheCommit(t *testing.T) {
	t.Parallel()
	r := setup(httpfence.Options{})
	if w := r.ask(t, "forward"); w.Body.String() != "body of forward" || w.Header().Get("X-Ran") != "1" {
		t.Errorf("%s %s", w.Header(), w.Body)
	}
	down := errors.New("the database died while it committed")
	for _, ran := range []bool{true, false} {
		h := httpfence.Handler(broken{down, ran}, httpfence.Options{}, http.HandlerFunc(
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") },
		))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(t, target, ""))
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "done") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// broken is a fence whose database dies after or before the work.
type broken struct {
	err error
	ran bool
}

func (b broken) Guard(
	ctx context.Context, _ fence.Key, _ fence.Event, work func(context.Context) error,
) (fence.Verdict, error) {
	if b.ran {
		if err := work(ctx); err != nil {
			return 0, err
		}
	}
	return 0, b.err
}

func TestAnAnswerThatIsNoSuccessRollsBack(t *testing.T) {
	t.Parallel()
	for _, code := range []int{202, 302, 400, 409, 425, 500} {
		r := setup(httpfence.Options{})
		r.answer = code
		if w := r.ask(t, "forward"); w.Code != code || w.Body.String() != "body of forward" {
			t.Errorf("%d becomes %d %s", code, w.Code, w.Body)
		}
		if s := r.memory.State(key()); s != fence.Absent {
			t.Errorf("%d: the fence is %s", code, s)
		}
	}
}

func TestAPanicRollsBackAndIsPassedOn(t *testing.T) {
	t.Parallel()
	memory := &fencetest.Memory{}
	h := httpfence.Handler(memory, httpfence.Options{}, http.HandlerFunc(
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	))
	defer func() {
		if recover() != http.ErrAbortHandler || memory.State(key()) != fence.Absent {
			t.Errorf("the panic is gone, or the fence is %s", memory.State(key()))
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), request(t, strings.Replace(target, "=confirm", "=try", 1), ""))
}

// TestADuplicateCanBeAnsweredAsTheFirst: the output of a saga's step is needed by the attempt that gets through.
func TestADuplicateCanBeAnsweredAsTheFirst(t *testing.T) {
	t.Parallel()
	r := setup(httpfence.Options{Again: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		call, _ := httpfence.FromContext(req.Context())
		body, _ := io.ReadAll(req.Body)
		_, _ = fmt.Fprintf(w, "again: %s", body)
		if call.Branch != 71 {
			t.Errorf("it does not know the call: %+v", call)
		}
	})})
	r.ask(t, "forward")
	if w := r.ask(t, "forward"); w.Body.String() != "again: body of forward" || r.ran != 1 {
		t.Errorf("%s, ran %d times", w.Body, r.ran)
	}
}

// TestOperationsWithoutAFencedPhaseOneAreEachDoneOnce.
func TestOperationsWithoutAFencedPhaseOneAreEachDoneOnce(t *testing.T) {
	t.Parallel()
	r := setup(httpfence.Options{Mode: httpfence.Once})
	for i, operation := range []string{"cancel", "cancel", "confirm", "confirm", "cancel"} {
		if w := r.ask(t, operation); w.Code != http.StatusOK {
			t.Errorf("%d, %s: %d", i, operation, w.Code)
		}
	}
	if r.ran != 2 {
		t.Errorf("ran %d times", r.ran)
	}
}

func TestCommitAndRollbackCanDependOnATry(t *testing.T) {
	t.Parallel()
	r := setup(httpfence.Options{Mode: httpfence.Fenced})
	for i, s := range []struct {
		operation string
		code, ran int
	}{{"commit", 503, 0}, {"try", 200, 1}, {"rollback", 200, 2}, {"rollback", 200, 2}, {"commit", 409, 2}} {
		if w := r.ask(t, s.operation); w.Code != s.code || r.ran != s.ran {
			t.Errorf("%d, %s: %d, ran %d times", i, s.operation, w.Code, r.ran)
		}
	}
}

func TestWhatIsNotSignedDoesNotGetToTheFence(t *testing.T) {
	t.Parallel()
	o := httpfence.Options{Secrets: [][]byte{[]byte(secret)}, Now: clock}
	r := setup(o)
	if w := r.serve(request(t, target, "b")); w.Code != http.StatusUnauthorized || r.ran != 0 {
		t.Errorf("not signed: %d", w.Code)
	}
	if w := r.ask(t, "try"); w.Code != http.StatusUnauthorized || r.ran != 0 {
		t.Errorf("a try that is not signed: %d", w.Code)
	}
	o.UnsignedTry = true
	r = setup(o)
	if w := r.ask(t, "try"); w.Code != http.StatusOK {
		t.Errorf("a try that need not be signed: %d", w.Code)
	}
	if w := r.ask(t, "confirm"); w.Code != http.StatusUnauthorized {
		t.Errorf("a confirm that is not signed: %d", w.Code)
	}
	if w := r.serve(signed(t, target, "b", secret)); w.Code != http.StatusOK || r.ran != 2 {
		t.Errorf("signed: %d", w.Code)
	}
}

func TestRequestsThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"/x", "/x?concord-xid=a", "/x?concord-xid=a&concord-branch=b&concord-operation=try",
		"/x?concord-xid=" + strings.Repeat("a", 129) + "&concord-branch=1&concord-operation=try",
		"/x?concord-xid=a&concord-xid=b&concord-branch=1&concord-operation=try",
		"/x?concord-xid=a&concord-branch=1&concord-operation=try&concord-attempt=x",
		"/x?concord-xid=a;b&concord-branch=1&concord-operation=try",
	} {
		r := setup(httpfence.Options{})
		if w := r.serve(request(t, bad, "")); w.Code != http.StatusBadRequest || r.ran != 0 {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
	r := setup(httpfence.Options{BodyBytesMax: 3})
	if w := r.serve(request(t, target, "four")); w.Code != http.StatusBadRequest {
		t.Errorf("a long body: %d", w.Code)
	}
}

// FuzzParse: whatever comes, it is read or refused.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{target, "/?concord-branch=-1", "/?%zz", "/?concord-xid=%00&concord-branch=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST " + text + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			return
		}
		c, err := httpfence.Parse(r)
		if err == nil && (fence.Key{XID: c.XID}).Check() != nil {
			t.Errorf("%q is read as %+v", text, c)
		}
	})
}

func ExampleHandler() {
	reserve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, _ := httpfence.FromContext(r.Context())
		fmt.Fprintf(w, "%s done", call.Operation) // with sqlfence.Tx(r.Context())
	})
	h := httpfence.Handler(&fencetest.Memory{}, httpfence.Options{}, reserve)
	for _, operation := range []string{"compensate", "forward"} { // the compensation has overtaken its step
		r := httptest.NewRequest(http.MethodPost, "/reserve", bytes.NewReader(nil))
		httpfence.Call{XID: "10.0.0.1:8091:70", Branch: 71, Operation: operation}.Name(r.URL)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(operation, w.Code)
	}
	// Output:
	// compensate 200
	// forward 409
}
