package callback

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestWhatAnswersMean(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const problem = "application/problem+json; charset=utf-8"
	for _, tt := range []struct {
		name   string
		kind   txn.Kind
		status int
		header map[string]string
		body   string
		want   txn.Result
		after  time.Duration
		text   string
	}{
		{"done", txn.HTTP, 200, nil, "", txn.ResultDone, 0, ""},
		{"created is done", txn.HTTPTCC, 201, nil, "x", txn.ResultDone, 0, ""},
		{"no content is done", txn.HTTP, 204, nil, "", txn.ResultDone, 0, ""},
		{"299 is done", txn.HTTP, 299, nil, "", txn.ResultDone, 0, ""},
		{"accepted goes on", txn.HTTP, 202, map[string]string{"Retry-After": "7"}, "", txn.ResultOngoing,
			7 * time.Second, ""},
		{"too early goes on", txn.HTTPTCC, 425, nil, "x", txn.ResultOngoing, 0, ""},
		{"refused", txn.HTTP, 409, nil, "sold\nout", txn.ResultRefused, 0, "sold out"},
		{"refused without a word", txn.HTTP, 409, nil, "", txn.ResultRefused, 0, "HTTP 409"},
		{"refused with a problem", txn.HTTP, 409, map[string]string{"Content-Type": problem},
			`{"title":"T","detail":"the account is closed"}`, txn.ResultRefused, 0, "the account is closed"},
		{"refused with a title", txn.HTTP, 409, map[string]string{"Content-Type": problem}, `{"title":"T"}`,
			txn.ResultRefused, 0, "T"},
		{"refused with a broken problem", txn.HTTP, 409, map[string]string{"Content-Type": problem}, `{"detail":7`,
			txn.ResultRefused, 0, `{"detail":7`},
		{"redirect", txn.HTTP, 302, map[string]string{"Location": "http://169.254.169.254/"}, "", txn.ResultFailed, 0,
			"HTTP 302: redirects are not followed; register the URL that is meant"},
		{"bad request is tried again", txn.HTTP, 400, nil, "no", txn.ResultFailed, 0, "HTTP 400: no"},
		{"not found is tried again", txn.HTTP, 404, nil, "", txn.ResultFailed, 0, "HTTP 404"},
		{"gone is tried again", txn.HTTP, 410, nil, "", txn.ResultFailed, 0, "HTTP 410"},
		{"slow down", txn.HTTP, 429, map[string]string{"Retry-After": "3"}, "", txn.ResultFailed,
			3 * time.Second, "HTTP 429"},
		{"broken", txn.HTTP, 500, nil, "oops", txn.ResultFailed, 0, "HTTP 500: oops"},
		{"away", txn.HTTP, 503, map[string]string{"Retry-After": "Thu, 01 Jan 2026 00:01:00 GMT"}, "", txn.ResultFailed,
			time.Minute, "HTTP 503"},
		{"a date that is over", txn.HTTP, 503, map[string]string{"Retry-After": "Thu, 01 Jan 2015 00:01:00 GMT"}, "",
			txn.ResultFailed, 0, "HTTP 503"},
		{"for ever", txn.HTTP, 503, map[string]string{"Retry-After": "18446744073709551615"}, "", txn.ResultFailed, time.Hour,
			"HTTP 503"},
		{"nonsense", txn.HTTP, 503, map[string]string{"Retry-After": "-1"}, "", txn.ResultFailed, 0, "HTTP 503"},
		{"switching protocols", txn.HTTP, 101, nil, "", txn.ResultFailed, 0, "HTTP 101"},
		{"a saga's step switches protocols", txn.StepCall, 101, nil, "", txn.ResultFailed, 0, "HTTP 101"},
		{"not modified", txn.StepCall, 304, nil, "", txn.ResultFailed, 0, "HTTP 304"},
		{"redirect of a step", txn.StepCall, 307, nil, "", txn.ResultFailed, 0,
			"HTTP 307: redirects are not followed; register the URL that is meant"},
		{"check says commit", txn.Check, 200, nil, "", txn.ResultDone, 0, ""},
		{"check says commit without a word", txn.Check, 204, nil, "", txn.ResultDone, 0, ""},
		{"check says rollback", txn.Check, 409, nil, "", txn.ResultRefused, 0, "HTTP 409"},
		{"check does not know yet", txn.Check, 202, nil, "", txn.ResultOngoing, 0, ""},
		{"check of a wrong URL does not roll back", txn.Check, 404, nil, "", txn.ResultFailed, 0, "HTTP 404"},
		{"nor does one that is gone", txn.Check, 410, nil, "", txn.ResultFailed, 0, "HTTP 410"},
		{"check with another 2xx says nothing", txn.Check, 201, nil, "", txn.ResultFailed, 0,
			"HTTP 201: a check is answered with 200 or 204 for commit, and 409 for rollback"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			for k, v := range tt.header {
				header.Set(k, v)
			}
			o := judge(tt.kind, tt.status, header, []byte(tt.body), now)
			if o.result != tt.want || o.after != tt.after || o.health != alive {
				t.Errorf("%v after %v, health %d; want %v after %v", o.result, o.after, o.health, tt.want, tt.after)
			}
			if o.text != tt.text {
				t.Errorf("text %q, want %q", o.text, tt.text)
			}
		})
	}
}

func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"", "a\x00b", strings.Repeat("ü ", 300), "\xff\xfe", "\u202eabc\u2028", "  x  "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := printable(text)
		if len(got) > textBytesMax || !utf8.ValidString(got) || got != strings.TrimSpace(got) ||
			strings.ContainsAny(got, "\n\r\t\x00\x7f\u2028\u202e") {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
