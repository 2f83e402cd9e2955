package callback

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

type clock struct{ now txn.Millis }

func (c clock) Now() txn.Millis { return c.now }

func TestWhatAParticipantGets(t *testing.T) {
	t.Parallel()
	type got struct {
		Method, Target, Host, Body string
		Header                     http.Header
	}
	requests := make(chan got, 1)
	server := participant(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- got{r.Method, r.RequestURI, r.Host, string(body), r.Header}
	})
	secret := []byte("0123456789abcdef")
	f := setup(t, func(o *Options) { o.Secrets, o.Clock = [][]byte{secret}, clock{1_767_225_600_999} })
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, tt := range []struct {
		kind         txn.Kind
		op           txn.Outcome
		attempt      uint32
		path, data   string
		headers      []txn.CallHeader
		trace        string
		wantTarget   string
		operation    string
		body, typeIs string
	}{
		{txn.HTTPTCC, txn.Commit, 1, "/confirm?a=b&a=%20", `{"sku":7}`, nil, trace,
			"/confirm?a=b&a=%20&", "confirm", `{"sku":7}`, "application/json"},
		{txn.HTTPTCC, txn.Rollback, 12, "", "plain {", []txn.CallHeader{{Name: "X-Tenant", Value: "seven"}}, "",
			"/?", "cancel", "plain {", "text/plain; charset=utf-8"},
		{txn.HTTP, txn.Commit, 2, "/c%2Fd", "<a/>", []txn.CallHeader{{Name: "content-type", Value: "text/xml"}}, "nonsense",
			"/c%2Fd?", "commit", "<a/>", "text/xml"},
		{txn.HTTP, txn.Rollback, 1, "/r", "", nil, "", "/r?", "rollback", "", ""},
		{txn.Check, 0, 3, "/check", "what the message says", nil, "", "/check?", "check", "", ""},
	} {
		cmd := command(server.URL + tt.path)
		cmd.Until = 0
		cmd.Kind, cmd.Op, cmd.Attempt = tt.kind, tt.op, tt.attempt
		cmd.Data, cmd.Trace, cmd.Call.Headers = tt.data, tt.trace, tt.headers
		if r := f.ask(t, cmd); r != (txn.Reply{BranchID: 71, Op: tt.op, Attempt: tt.attempt, Result: txn.ResultDone}) {
			t.Fatalf("%s: %+v", tt.path, r)
		}
		key := "10.0.0.1:8091:70/71/" + tt.operation
		attempt := strconv.Itoa(int(tt.attempt))
		target := tt.wantTarget + "concord-xid=10.0.0.1:8091:70&concord-branch=71&concord-operation=" + tt.operation +
			"&concord-attempt=" + attempt + "&idempotency-key=" + key
		want := got{"POST", target, strings.TrimPrefix(server.URL, "http://"), tt.body, http.Header{
			"User-Agent": {"concord/test"}, "Concord-Xid": {"10.0.0.1:8091:70"}, "Concord-Branch": {"71"},
			"Concord-Operation": {tt.operation}, "Concord-Attempt": {attempt}, "Idempotency-Key": {key},
			"Concord-Timestamp": {"1767225600"}, "Content-Length": {strconv.Itoa(len(tt.body))},
			"Concord-Signature": {Sign(secret, 1767225600, target, []byte(tt.body))},
		}}
		if tt.trace == trace {
			want.Header["Traceparent"] = []string{trace}
		}
		if tt.typeIs != "" {
			want.Header["Content-Type"] = []string{tt.typeIs}
		}
		for _, h := range tt.headers {
			want.Header[http.CanonicalHeaderKey(h.Name)] = []string{h.Value}
		}
		if diff := cmp.Diff(want, <-requests); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.path, diff)
		}
	}
}

func TestNothingOfAnXIDBecomesAHeaderOfItsOwn(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	server := participant(t, func(_ http.ResponseWriter, r *http.Request) { got <- r })
	cmd := command(server.URL)
	cmd.XID.Prefix = "a\r\nEvil: yes\r\n\x00&concord-branch=5#ü b"
	if r := setup(t, nil).ask(t, cmd); r.Result != txn.ResultDone {
		t.Fatalf("%+v", r)
	}
	r := <-got
	query := r.URL.Query()
	if r.Header.Get("Evil") != "" || len(query["concord-branch"]) != 1 || query.Get("concord-xid") != cmd.XID.String() ||
		query.Get("idempotency-key") != cmd.XID.String()+"/71/commit" {
		t.Errorf("%s\n%v", r.RequestURI, r.Header)
	}
}

func TestHeadersThatABranchCannotHave(t *testing.T) {
	t.Parallel()
	for _, h := range []txn.CallHeader{
		{Name: "Host", Value: "x"}, {Name: "content-LENGTH", Value: "7"}, {Name: "Transfer-Encoding", Value: "chunked"},
		{Name: "Connection", Value: "close"}, {Name: "Concord-Xid", Value: "1"}, {Name: "concord-new", Value: "1"},
		{Name: "Idempotency-Key", Value: "1"}, {Name: "Cookie", Value: "a=b"}, {Name: "", Value: "x"},
		{Name: "A b", Value: "x"}, {Name: "A:", Value: "x"}, {Name: "A", Value: "x\r\nB: y"}, {Name: "A\n", Value: "x"},
		{Name: "A", Value: "\x00"}, {Name: "Ä", Value: "x"}, {Name: "User-Agent", Value: "x"},
	} {
		if CheckHeader(h.Name, h.Value) == nil {
			t.Errorf("%q: %q is accepted", h.Name, h.Value)
		}
	}
	for _, name := range []string{"Authorization", "X-Api-Key", "content-type", "Accept", "tracestate"} {
		if err := CheckHeader(name, "a value;\twith=anything"); err != nil {
			t.Error(err)
		}
	}
	cmd := command("http://127.0.0.1:1/")
	cmd.Call.Headers = []txn.CallHeader{{Name: "A", Value: "x\r\nB: y"}}
	if r := setup(t, nil).ask(t, cmd); r.Result != txn.ResultFailed || !strings.Contains(r.Text, "header A") {
		t.Errorf("a stored header that is bad: %+v", r)
	}
}

// raw is a participant that is no HTTP server: it does what it likes with each connection.
func raw(t *testing.T, serve func(n int32, c net.Conn, r *bufio.Reader)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var n atomic.Int32
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer func() { _ = c.Close() }()
				serve(n.Add(1), c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		group.Wait()
	})
	return "http://" + l.Addr().String()
}

// request reads one whole request.
func request(r *bufio.Reader) (*http.Request, error) {
	req, err := http.ReadRequest(r)
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	return req, err
}

const okay = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

func TestAnswersThatAreHardToRead(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name, answer string
		want         txn.Result
		text         string
	}{
		{"chunks", "HTTP/1.1 409 C\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsol\r\n5\r\nd out\r\n0\r\n\r\n",
			txn.ResultRefused, "sold out"},
		{"until the end", "HTTP/1.0 409 C\r\n\r\nsold out", txn.ResultRefused, "sold out"},
		{"interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + okay, txn.ResultDone, ""},
		{"endless interim answers", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), txn.ResultFailed, "no HTTP"},
		{"a long body", "HTTP/1.1 500 E\r\nContent-Length: 1048576\r\n\r\n" + long, txn.ResultFailed,
			strings.Repeat("x", 240)},
		{"a long head", "HTTP/1.1 200 OK\r\nX: " + long + "\r\n\r\n", txn.ResultFailed, "no HTTP"},
		{"many headers", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 100_000) + "\r\n", txn.ResultFailed, "no HTTP"},
		{"something else", "SSH-2.0-OpenSSH\r\n", txn.ResultFailed, "no HTTP"},
		{"nothing", "", txn.ResultFailed, "without an answer"},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-", txn.ResultFailed, "no HTTP"},
		{"half a body of a confirmation", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", txn.ResultDone, ""},
		{"a body with surprises", "HTTP/1.1 500 E\r\nContent-Length: 9\r\n\r\n\x1b[31m\x00\xff\r\n",
			txn.ResultFailed, "HTTP 500: [31m ?"},
		{"switching protocols", "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", txn.ResultFailed, "HTTP 101"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, func(_ int32, c net.Conn, r *bufio.Reader) {
				if _, err := request(r); err == nil {
					_, _ = io.WriteString(c, tt.answer)
				}
			})
			r := setup(t, nil).ask(t, command(url))
			if r.Result != tt.want || !strings.Contains(r.Text, tt.text) || len(r.Text) > textBytesMax {
				t.Errorf("%v %q", r.Result, r.Text)
			}
		})
	}
}

func TestAConfirmationCountsThoughItsBodyDripsOn(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	url := raw(t, func(_ int32, c net.Conn, r *bufio.Reader) {
		_, _ = request(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
		<-over
	})
	defer close(over)
	begun, cmd := time.Now(), command(url)
	cmd.Call.Timeout, cmd.Until = 10*time.Minute, txn.MillisOf(begun.Add(20*time.Minute))
	if r := setup(t, nil).ask(t, cmd); r.Result != txn.ResultDone || time.Since(begun) > 50*time.Second {
		t.Errorf("%+v after %v", r, time.Since(begun))
	}
}

func TestAConnectionThatWasClosedWhileIdleIsReplaced(t *testing.T) {
	t.Parallel()
	var keys sync.Map
	url := raw(t, func(n int32, c net.Conn, r *bufio.Reader) {
		for i := 0; ; i++ {
			req, err := request(r)
			if err != nil || n == 1 && i == 1 {
				return // closes the first connection instead of answering the second request on it
			}
			keys.Store(fmt.Sprint(n, i), req.Header.Get("Idempotency-Key"))
			_, _ = io.WriteString(c, okay)
		}
	})
	f := setup(t, nil)
	cmd := command(url)
	for _, resent := range []bool{false, true} {
		if r := f.ask(t, cmd); r.Result != txn.ResultDone || r.Resent != resent {
			t.Fatalf("%+v", r)
		}
	}
	if n := f.Numbers(); n.Stale != 1 || n.Dials != 2 {
		t.Errorf("%d stale, %d dials", n.Stale, n.Dials)
	}
	if a, _ := keys.Load("1 0"); a != "10.0.0.1:8091:70/71/commit" {
		t.Errorf("key %v", a)
	}
}

func TestAnAnswerNobodyAskedForIsNotTakenForTheNextOne(t *testing.T) {
	t.Parallel()
	url := raw(t, func(n int32, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := request(r); err != nil {
				return
			}
			if n == 1 {
				_, _ = io.WriteString(c, "HTTP/1.1 409 C\r\nContent-Length: 0\r\n\r\n"+okay) // answers twice
			} else {
				_, _ = io.WriteString(c, "HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n")
			}
		}
	})
	f := setup(t, nil)
	if r := f.ask(t, command(url)); r.Result != txn.ResultRefused {
		t.Fatalf("%+v", r)
	}
	if r := f.ask(t, command(url)); r.Result != txn.ResultFailed {
		t.Errorf("the second request was answered with what was left over of the first: %+v", r)
	}
	if len(f.reports) != 0 {
		t.Error("a command was reported twice")
	}
}

func TestNobodyThereIsUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	if r := setup(t, nil).ask(t, command(url)); r.Result != txn.ResultUnreachable || r.Text == "" {
		t.Errorf("%+v", r)
	}
}

func TestALateAnswerIsNoAnswerAndComesOnce(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := participant(t, func(http.ResponseWriter, *http.Request) { <-release })
	f := setup(t, nil)
	cmd := command(server.URL)
	cmd.Call.Timeout = 500 * time.Millisecond
	if r := f.ask(t, cmd); r.Result != txn.ResultNoAnswer {
		t.Errorf("%+v", r)
	}
	close(release)
	if s := f.Targets(); len(s) != 1 || s[0].State != CircuitClosed || s[0].Failed != 1 {
		t.Errorf("%+v", s)
	}
	f.stop()
	if len(f.reports) != 0 {
		t.Error("the late answer was reported, too")
	}
}

func TestAShutdownEndsEverythingOnce(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var begun atomic.Int32
	reached := make(chan struct{}, 100)
	server := participant(t, func(http.ResponseWriter, *http.Request) {
		begun.Add(1)
		reached <- struct{}{}
		<-release
	})
	defer close(release)
	f := setup(t, func(o *Options) { o.Limits = Limits{PerTarget: 3, Drain: 50 * time.Millisecond} })
	for i := range 50 {
		cmd := command(server.URL)
		cmd.BranchID = int64(i)
		if err := f.Send(cmd); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		<-reached
	}
	begunAt := time.Now()
	f.stop()
	if took := time.Since(begunAt); took > time.Minute {
		t.Errorf("it took %v, as long as the participant", took)
	}
	results := map[txn.Result]int{}
	seen := map[int64]bool{}
	for range 50 {
		r := f.next(t).r
		if seen[r.BranchID] {
			t.Errorf("branch %d is reported twice", r.BranchID)
		}
		seen[r.BranchID] = true
		results[r.Result]++
	}
	if results[txn.ResultNoAnswer] != 3 || results[txn.ResultUnreachable] != 47 || len(f.reports) != 0 {
		t.Errorf("%v, and %d more", results, len(f.reports))
	}
	if err := f.Send(command(server.URL)); !errors.Is(err, orchestrator.ErrStopped) {
		t.Errorf("after the end: %v", err)
	}
}

func TestCallsUnderWayMayEndWhileTheNodeStops(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	server := participant(t, func(http.ResponseWriter, *http.Request) {
		if calls.Add(1) == 1 {
			close(reached)
			<-release
		}
	})
	f := setup(t, func(o *Options) { o.Limits.Drain = 20 * time.Second })
	if err := f.Send(command(server.URL)); err != nil {
		t.Fatal(err)
	}
	<-reached
	var group sync.WaitGroup
	group.Go(f.stop)
	other := command(server.URL)
	other.BranchID = 5
	for f.Send(other) == nil { // until it stops
		f.next(t)
	}
	close(release)
	group.Wait()
	if r := f.next(t).r; r.BranchID != 71 || r.Result != txn.ResultDone || len(f.reports) != 0 {
		t.Errorf("the call under way ended with %+v, and there are %d more", r, len(f.reports))
	}
}

func TestNothingLeavesWithoutALease(t *testing.T) {
	t.Parallel()
	var called atomic.Int32
	server := participant(t, func(http.ResponseWriter, *http.Request) { called.Add(1) })
	f := setup(t, func(o *Options) { o.Valid = func() bool { return false } })
	if r := f.ask(t, command(server.URL)); r.Result != txn.ResultUnreachable || !strings.Contains(r.Text, "lease") {
		t.Errorf("%+v", r)
	}
	if called.Load() != 0 {
		t.Error("it was called")
	}
}

func TestWhoeverTracesIsAsked(t *testing.T) {
	t.Parallel()
	const child = "00-4bf92f3577b34da6a3ce929d0e0e4736-aaaaaaaaaaaaaaaa-01"
	got, ended := make(chan string, 1), make(chan txn.Reply, 1)
	server := participant(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Traceparent") })
	f := setup(t, func(o *Options) {
		o.Trace = func(cmd *txn.Command) (string, func(txn.Reply)) {
			if cmd.BranchID != 71 {
				t.Errorf("branch %d", cmd.BranchID)
			}
			return child, func(r txn.Reply) { ended <- r }
		}
	})
	r := f.ask(t, command(server.URL))
	if header, end := <-got, <-ended; header != child || end != r {
		t.Errorf("%s, %+v", header, end)
	}
}

func TestCommandsThatAreNoneOfOurs(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	for _, change := range []func(*txn.Command){
		func(c *txn.Command) { c.Kind = txn.AT },
		func(c *txn.Command) { c.Call = nil },
		func(c *txn.Command) { c.Op, c.Call = txn.Rollback, &txn.Call{CommitURL: "http://127.0.0.1/"} },
	} {
		cmd := command("http://127.0.0.1/")
		change(&cmd)
		if err := f.Send(cmd); err == nil {
			t.Errorf("%+v is accepted", cmd)
		}
	}
	tr, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if tr.Send(command("http://127.0.0.1/")) == nil || tr.Run(context.Background()) == nil {
		t.Error("it works without anybody to report to")
	}
}

func TestAPanicEndsItsOwnCallAlone(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.exchange = func(context.Context, *worker, *call, string) outcome { panic("oops") }
	for range 3 {
		if r := f.ask(t, command("http://127.0.0.1/")); r.Result != txn.ResultNoAnswer {
			t.Errorf("%+v", r)
		}
	}
}

func TestManyCallsShareFewConnections(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	url := raw(t, func(_ int32, c net.Conn, r *bufio.Reader) {
		connections.Add(1)
		for {
			if _, err := request(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, okay)
		}
	})
	f := setup(t, func(o *Options) { o.Limits.PerTarget = 4 })
	const calls = 2000
	for i := range calls {
		cmd := command(url)
		cmd.Until = txn.MillisOf(time.Now().Add(5 * time.Minute))
		cmd.BranchID = int64(i)
		if err := f.Send(cmd); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[int64]bool{}
	for range calls {
		r := f.next(t).r
		if r.Result != txn.ResultDone || seen[r.BranchID] {
			t.Fatalf("%+v", r)
		}
		seen[r.BranchID] = true
	}
	if n := connections.Load(); n > 4 {
		t.Errorf("%d connections", n)
	}
}
