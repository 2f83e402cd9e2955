package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// forgery is a call that a test makes by itself: a good one, unless it is spoilt.
type forgery struct {
	method, path string
	body         []byte
	envelope     envelope
	secret       []byte
	after        func(*http.Request)
}

// forge returns a good call of node "a" to n, with one command.
func (n *node) forge(path string, count uint64) *forgery {
	body := appendEndings(nil, "a", nil)
	if path == pathCommands {
		body = appendCommands(nil, origin{"a", 1}, []handover{{seq: 1, cmd: commit(7, txn.TCC, "r")}})
	}
	return &forgery{
		method: http.MethodPost, path: path, body: body, secret: secret(),
		envelope: envelope{
			path: path, from: "a", to: n.self, at: n.clock.Now(), instance: fmt.Sprintf("%016x", 1), count: count,
			body: bodyHash(body),
		},
	}
}

// call makes the call and returns status and code of the answer.
func (f *forgery) call(t *testing.T, n *node) (status int, code string) {
	t.Helper()
	n.cluster.mu.Lock()
	address := n.cluster.nodes[n.self].Internal
	n.cluster.mu.Unlock()
	request, err := http.NewRequest(f.method, "http://"+address+f.path, bytes.NewReader(f.body))
	if err != nil {
		t.Fatal(err)
	}
	f.envelope.write(request.Header, f.secret)
	if f.after != nil {
		f.after(request)
	}
	response, err := n.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var p problem
	if response.StatusCode != http.StatusOK && json.Unmarshal(answer, &p) == nil && p.Status != response.StatusCode {
		t.Errorf("answer %s", answer)
	}
	return response.StatusCode, p.Code
}

// frozen is a clock that stands still.
type frozen txn.Millis

func (f frozen) Now() txn.Millis { return txn.Millis(f) }

func TestForgedCallsAreRefused(t *testing.T) {
	t.Parallel()
	d := newCluster()
	b := d.join(t, "b", func(o *Options) { o.Limits.Window, o.Clock = time.Second, frozen(1e12) })
	b.connect(orders("r"))
	eventually(t, "the process is older than the window", func() bool { return time.Since(b.started) > time.Second })
	count := uint64(100)
	for _, c := range []struct {
		name   string
		spoil  func(*forgery)
		status int
		code   string
	}{
		{"good", func(*forgery) {}, 200, ""},
		{"another secret", func(f *forgery) { f.secret = []byte("another secret of a cluster") }, 401, "callSignature"},
		{"no secret", func(f *forgery) { f.secret = nil }, 401, "callSignature"},
		{"no signature", func(f *forgery) { f.after = func(r *http.Request) { r.Header.Del(headerSignature) } },
			401, "callSignature"},
		{"no headers", func(f *forgery) { f.after = func(r *http.Request) { r.Header = http.Header{} } },
			401, "callSignature"},
		{"half a signature", func(f *forgery) {
			f.after = func(r *http.Request) {
				r.Header.Set(headerSignature, r.Header.Get(headerSignature)[:32])
			}
		}, 401, "callSignature"},
		{"another body", func(f *forgery) { f.body = appendEndings(nil, "a", []ending{{id: 1}}) }, 401, "callSignature"},
		{"another sender", func(f *forgery) { f.after = func(r *http.Request) { r.Header.Set(headerFrom, "c") } },
			401, "callSignature"},
		{"a later time", func(f *forgery) { f.after = func(r *http.Request) { r.Header.Set(headerTime, "1") } },
			401, "callSignature"},
		{"a higher count", func(f *forgery) { f.after = func(r *http.Request) { r.Header.Set(headerCount, "9999") } },
			401, "callSignature"},
		{"for another node", func(f *forgery) { f.envelope.to = "c" }, 421, "callReceiver"},
		{"for another address", func(f *forgery) { f.path = pathReplies }, 401, "callSignature"},
		{"old", func(f *forgery) { f.envelope.at -= 1001 }, 401, "callAge"},
		{"from the future", func(f *forgery) { f.envelope.at += 1001 }, 401, "callAge"},
		{"a little late", func(f *forgery) { f.envelope.at -= 500 }, 200, ""},
		{"seen before", func(f *forgery) { f.envelope.count = 100 }, 401, "callReplayed"},
		{"body of another node", func(f *forgery) {
			f.body = appendCommands(nil, origin{"c", 1}, nil)
			f.envelope.body = bodyHash(f.body)
		}, 400, "callMalformed"},
		{"body of a newer version", func(f *forgery) {
			f.body[0]++
			f.envelope.body = bodyHash(f.body)
		}, 400, "callVersion"},
		{"no body", func(f *forgery) { f.body, f.envelope.body = nil, bodyHash(nil) }, 400, "callMalformed"},
		{"get", func(f *forgery) { f.method = http.MethodGet }, 405, ""},
		{"elsewhere", func(f *forgery) { f.path += "/x" }, 404, ""},
		{"good again", func(*forgery) {}, 200, ""},
	} {
		f := b.forge(pathCommands, count)
		count++
		c.spoil(f)
		if status, code := f.call(t, b); status != c.status || code != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, status, code, c.status, c.code)
		}
	}
	if s := b.Stats(); len(b.rms.asked) != 3 || s.Forged != 13 || s.Rejected != 4 || s.Received != 3 {
		t.Errorf("%d participants were asked, stats %+v", len(b.rms.asked), s)
	}
	if n := b.log.count("internal call refused"); n == 0 || n > 4 {
		t.Errorf("%d log lines", n)
	}
}

func TestCallOfBeforeTheStartIsRefused(t *testing.T) {
	t.Parallel()
	b := newCluster().join(t, "b", func(o *Options) { o.Limits.Window = 2 * time.Hour })
	f := b.forge(pathCommands, 1)
	f.envelope.at -= txn.Millis(time.Hour.Milliseconds()) // may have been recorded while an earlier process had this name
	if status, code := f.call(t, b); status != 401 || code != "callAge" {
		t.Errorf("%d %s", status, code)
	}
}

func TestLargeBodyIsRefused(t *testing.T) {
	t.Parallel()
	b := newCluster().join(t, "b", func(o *Options) { o.Limits.BodyBytesMax = 1000 })
	f := b.forge(pathReplies, 1)
	f.body = make([]byte, 1001)
	f.envelope.body = bodyHash(f.body)
	if status, code := f.call(t, b); status != 413 || code != "requestTooLarge" {
		t.Errorf("%d %s", status, code)
	}
}

func TestNodesWithDifferentSecretsAreUnreachable(t *testing.T) {
	t.Parallel()
	d := newCluster()
	a := d.join(t, "a", func(o *Options) { o.Secret = []byte("an older secret of the cluster") })
	b := d.join(t, "b")
	b.connect(orders("r"))
	a.sees("r", 1)
	a.send(commit(7, txn.TCC, "r"))
	if r := a.want(txn.ResultUnreachable); !strings.Contains(r.Text, "status 401 callSignature") {
		t.Errorf("told %+v", r)
	}
}

// skewed is the clock of a machine that is off.
type skewed struct{ by atomic.Int64 }

func (s *skewed) Now() txn.Millis { return orchestrator.SystemClock{}.Now() + txn.Millis(s.by.Load()) }

func TestClocksCountAndMayBeSet(t *testing.T) {
	t.Parallel()
	d, clock := newCluster(), new(skewed)
	clock.by.Store(time.Hour.Milliseconds())
	a, b := d.join(t, "a"), d.join(t, "b", func(o *Options) { o.Clock = clock })
	b.connect(orders("r"))
	a.sees("r", 1)
	a.send(commit(7, txn.TCC, "r"))
	if r := a.want(txn.ResultUnreachable); !strings.Contains(r.Text, "callAge") {
		t.Errorf("told %+v", r)
	}
	clock.by.Store(0) // the store's time is known now, and lies before the start as it was
	eventually(t, "b is asked again", func() bool { return a.Send(commit(8, txn.TCC, "r")) == nil })
	b.ask()
}

func TestGuardForgetsWhatIsTooOldAnyway(t *testing.T) {
	t.Parallel()
	clock := new(skewed)
	g := guard{self: "b", window: time.Minute, clock: clock, started: time.Now().Add(-time.Hour), last: map[caller]seen{}}
	admit := func(instance int) error {
		return g.admit(&envelope{path: pathCommands, to: "b", at: clock.Now(), instance: fmt.Sprint(instance), count: 1})
	}
	for i := range callersMax {
		if err := admit(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := admit(callersMax); err != errCallers {
		t.Errorf("got %v", err)
	}
	if err := admit(0); err != errReplayed {
		t.Errorf("got %v", err)
	}
	clock.by.Store(3 * time.Minute.Milliseconds())
	if err := admit(callersMax); err != nil || len(g.last) != 1 {
		t.Errorf("got %v, %d callers are remembered", err, len(g.last))
	}
}

func TestPanicOfACallEndsNothingElse(t *testing.T) {
	t.Parallel()
	d := newCluster()
	var broken atomic.Bool
	broken.Store(true)
	a := d.join(t, "a")
	b := d.join(t, "b", func(o *Options) {
		o.Local = panicking{o.Local, &broken}
	})
	b.connect(orders("r"))
	a.sees("r", 1)
	a.send(commit(7, txn.TCC, "r"))
	a.want(txn.ResultNoAnswer) // perhaps somebody was asked
	broken.Store(false)
	eventually(t, "b is asked again", func() bool { return a.Send(commit(8, txn.TCC, "r")) == nil })
	b.ask()
	if s := b.Stats(); s.Panics != 1 || b.log.count("internal call panicked") != 1 {
		t.Errorf("stats %+v", s)
	}
}

// panicking is a Local with a defect.
type panicking struct {
	Local
	broken *atomic.Bool
}

func (p panicking) SendFor(cmd txn.Command, report func(int64, txn.Reply)) error {
	if p.broken.Load() {
		panic("a defect")
	}
	return p.Local.SendFor(cmd, report)
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	var l throttle
	for i, want := range []bool{true, false, false} {
		if ok, _ := l.take(time.Duration(i)); ok != want {
			t.Errorf("line %d: %t", i, ok)
		}
	}
	if ok, suppressed := l.take(time.Second); !ok || suppressed != 2 {
		t.Errorf("%t, %d suppressed", ok, suppressed)
	}
}
