package web

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// serve runs a server on loopback and returns its address.
func (r *rig) serve(t *testing.T) (address string, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.server.Run(ctx, listener, 10*time.Second) }()
	var over bool
	stop = func() error {
		cancel()
		if over {
			return nil
		}
		over = true
		return <-ended
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String(), stop
}

// events reads a stream: one element for each event or comment, its lines joined by a bar.
func events(t *testing.T, url string, headers ...string) <-chan string {
	t.Helper()
	return eventsUntil(t.Context(), t, url, headers...)
}

func eventsUntil(ctx context.Context, t *testing.T, url string, headers ...string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan string, 1000)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		t.Fatalf("%s: %d %s", url, resp.StatusCode, body)
	}
	go func() {
		defer close(out)
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		var block []string
		for lines.Scan() {
			if lines.Text() != "" {
				block = append(block, lines.Text())
				continue
			}
			out <- strings.Join(block, "|")
			block = nil
		}
	}()
	return out
}

// expect reads until each of the texts has come, in this order; comments are passed over unless they are expected.
func expect(t *testing.T, from <-chan string, wants ...string) {
	t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	for _, want := range wants {
		for got := ""; got != want; {
			var open bool
			select {
			case got, open = <-from:
			case <-deadline.C:
			}
			if !open || got != want && !strings.HasPrefix(got, ":") {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	}
}

func block(id, seq string) string { return "id: " + id + `|data: {"id":"` + seq + `","x":"<&>\u2028"}` }

func TestStreamFollowsTheLogAndResumes(t *testing.T) {
	t.Parallel()
	f := newFakeEvents(2)
	r := setup(t, func(o *Options) { o.Events, o.Heartbeat = f, 10*time.Millisecond })
	at, _ := r.serve(t)
	all := events(t, at+"/api/v1/events/stream?from=oldest")
	expect(t, all, block("5", "5"), block("6", "6"), ": alive", ": alive")
	f.add("stock", 0)
	f.add("concord-commit", 9)
	expect(t, all, block("8", "8"))
	resumed := events(t, at+"/api/v1/events/stream?from=oldest", "Last-Event-ID", "5")
	expect(t, resumed, block("6", "6"), block("8", "8"))
	next := events(t, at+"/api/v1/events/stream?topics=stock")
	expect(t, next, ": alive")
	f.add("concord-commit", 10)
	f.add("stock", 0)
	expect(t, next, block("10", "10"))
	for _, from := range []string{"3", "4711"} {
		expect(t, events(t, at+"/api/v1/events/stream?from="+from), `event: gap|data: {"first":5}`, block("5", "5"))
	}
}

func TestStreamOfAGroupCarriesDeliveries(t *testing.T) {
	t.Parallel()
	f := newFakeEvents(600)
	f.groups["mail"] = nil
	r := setup(t, func(o *Options) { o.Events, o.Heartbeat = f, 10*time.Millisecond })
	at, stop := r.serve(t)
	got := events(t, at+"/api/v1/events/stream?group=mail")
	expect(t, got, block("r5", "5"), block("r6", "6"))
	for !slices.Contains([]string{block("r604", "604"), ""}, <-got) {
	}
	expect(t, got, ": alive")
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	for range got { // the server ends the stream
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("a stream held up the shutdown for %v", took)
	}
}

func TestStreamRefusesNonsense(t *testing.T) {
	t.Parallel()
	r, f := setupEvents(t, 1)
	f.groups["mail"] = nil
	for _, c := range []struct {
		query, last string
		status      int
	}{
		{"group=nobody", "", 404},
		{"group=mail&from=oldest", "", 400},
		{"group=mail&topics=a", "", 400},
		{"from=there", "", 400},
		{"", "x", 400},
		{"until=never", "", 400},
	} {
		status, got, _ := r.do(t, "GET", "/api/v1/events/stream?"+c.query, "", "Last-Event-ID", c.last)
		if status != c.status {
			t.Errorf("%s %s: %d %v", c.query, c.last, status, got)
		}
	}
	for header, foreign := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"} {
		status, got, _ := r.do(t, "GET", "/api/v1/events/stream?group=mail", "", header, foreign)
		if status != 403 || got["code"] != "crossSite" {
			t.Errorf("%s %s takes deliveries: %d %v", header, foreign, status, got)
		}
	}
	r.server.streams.Store(streamsMax)
	if status, got, _ := r.do(t, "GET", "/api/v1/events/stream", ""); status != 503 || got["code"] != "busy" {
		t.Errorf("one stream too many: %d %v", status, got)
	}
	if n := r.server.streams.Load(); n != streamsMax {
		t.Errorf("%d streams are counted", n)
	}
}

// TestSlowReaderIsCutOff: it takes nothing; once the buffers of the connection are full, the stream ends and with it
// what it holds.
func TestSlowReaderIsCutOff(t *testing.T) {
	t.Parallel()
	f := newFakeEvents(0)
	f.padding = strings.Repeat("x", 32<<10) // buffers of the kernel take megabytes
	r := setup(t, func(o *Options) { o.Events, o.StreamWriteLimit, o.Heartbeat = f, 50*time.Millisecond, time.Hour })
	at, _ := r.serve(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const request = "GET /api/v1/events/stream?from=oldest HTTP/1.1\r\nHost: localhost\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(60 * time.Second)
	watched := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.watchers)
	}
	for watched() == 0 && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	for watched() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("a reader that takes nothing is kept")
		}
		f.add("concord-commit", 1)
		<-time.After(time.Millisecond)
	}
}

func TestLongPollEndsWithTheServer(t *testing.T) {
	t.Parallel()
	f := newFakeEvents(0)
	f.groups["mail"] = nil
	r := setup(t, func(o *Options) { o.Events = f })
	at, stop := r.serve(t)
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Post(at+"/api/v1/events/groups/mail/poll?wait=20s", "application/json", nil)
		if err != nil {
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	for waiting := false; !waiting; {
		f.mu.Lock()
		_, waiting = f.next["mail"]
		f.mu.Unlock()
		<-time.After(time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the poll was answered with %d", status)
	}
}
