package callback

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// plainAnswers are taken at once, otherAnswers are left to net/http.
var (
	plainAnswers = []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 11:00:00 GMT\r\nContent-Type: text/plain\r\ncontent-length:2\r\n\r\n{}",
		"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n\x00",
		"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\nx-place:  A4 \r\nVIA: one\r\nvia:two\r\nContent-Length: 0\r\n\r\n",
	}
	otherAnswers = []string{
		"", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
		"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na", "HTTP/1.1 200 OK\r\nContent-Length: 1,1\r\n\r\na",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n Connection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nPragma: no-cache\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", "HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	}
)

func TestPlainAnswer(t *testing.T) {
	t.Parallel()
	for _, text := range plainAnswers {
		r := bufio.NewReader(strings.NewReader(text))
		if _, ok := plainAnswer(r, false); !ok || r.Buffered() != 0 {
			t.Errorf("%q is not taken", text)
		}
		checkPlain(t, text)
	}
	for _, text := range otherAnswers {
		r := bufio.NewReader(strings.NewReader(text))
		if _, ok := plainAnswer(r, true); ok {
			t.Errorf("%q is taken", text)
		}
		if rest, _ := io.ReadAll(r); string(rest) != text {
			t.Errorf("of %q is left %q", text, rest)
		}
	}
}

// checkPlain compares with net/http.
func checkPlain(t *testing.T, text string) {
	t.Helper()
	p, ok := plainAnswer(bufio.NewReader(strings.NewReader(text)), true)
	if !ok {
		return
	}
	r := bufio.NewReader(strings.NewReader(text))
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("%q: net/http says %v", text, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Close || int64(len(body)) != resp.ContentLength ||
		r.Buffered() != 0 {
		t.Errorf("%q: net/http reads %d, close %v, %d bytes, %d left, %v", text, resp.StatusCode, resp.Close, len(body),
			r.Buffered(), err)
	}
	if string(p.body) != string(body) || headersOf(p.header) != headersOf(resp.Header) {
		t.Errorf("%q: net/http reads %q and %s, not %q and %s", text, body, headersOf(resp.Header), p.body,
			headersOf(p.header))
	}
	for _, kind := range []txn.Kind{txn.HTTP, txn.HTTPTCC, txn.Check, txn.StepCall} {
		if o := judge(kind, resp.StatusCode, resp.Header, body, time.Time{}); o.result != txn.ResultDone {
			t.Errorf("%q means %s", text, o.result)
		}
	}
}

func FuzzPlainAnswer(f *testing.F) {
	for _, text := range append(plainAnswers, otherAnswers...) {
		f.Add(text)
	}
	f.Fuzz(checkPlain)
}
