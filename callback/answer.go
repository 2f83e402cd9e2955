package callback

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/concord-tx/concord/orchestrator/txn"
)

const (
	// textBytesMax bounds what a participant's answer is quoted with.
	textBytesMax = 256
	// afterMax bounds how long a participant may ask to be left alone.
	afterMax = time.Hour
)

// outcome is the end of an attempt.
type outcome struct {
	result txn.Result
	text   string
	after  time.Duration
	health health
	// code, answer and headers, as JSON, are what the participant has said, for the steps of sagas.
	code            int
	answer, headers string
	// unbegun is true if nothing was even tried.
	unbegun bool
	// resent is true if the request had gone to a connection that ended without an answer.
	resent bool
}

// health is what the end of an attempt says about its target.
type health uint8

const (
	neutral health = iota // nothing: it was not asked, or not for long enough
	alive                 // it has answered, whatever
	dead                  // no connection, none that held, or no answer in time
)

// judge says what an answer means. docs/PARTICIPANTS.md has the table.
func judge(kind txn.Kind, status int, header http.Header, body []byte, now time.Time) outcome {
	o := outcome{health: alive}
	switch {
	case status == http.StatusAccepted, status == http.StatusTooEarly:
		o.result, o.after = txn.ResultOngoing, retryAfter(header, now)
		return o
	case status == http.StatusConflict:
		o.result, o.text = txn.ResultRefused, said(header, body)
		if o.text == "" {
			o.text = "HTTP 409"
		}
		return o
	case kind == txn.Check && (status == http.StatusOK || status == http.StatusNoContent),
		kind != txn.Check && status >= 200 && status <= 299:
		o.result = txn.ResultDone
		return o
	}
	o.result, o.after = txn.ResultFailed, retryAfter(header, now)
	o.text = "HTTP " + strconv.Itoa(status)
	switch text := said(header, body); {
	case status == http.StatusNotModified: // it redirects to nowhere, and nobody has asked for it
	case status >= 300 && status <= 399:
		o.text += ": redirects are not followed; register the URL that is meant"
	case kind == txn.Check && status >= 200 && status <= 299:
		o.text += ": a check is answered with 200 or 204 for commit, and 409 for rollback"
	case text != "":
		o.text = printable([]byte(o.text + ": " + text))
	}
	return o
}

// said is what a person wants to read of an answer: the detail of a problem document (RFC 9457), else its beginning.
func said(header http.Header, body []byte) string {
	if strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") {
		var problem struct{ Detail, Title string }
		if json.Unmarshal(body, &problem) == nil {
			if problem.Detail == "" {
				problem.Detail = problem.Title
			}
			if problem.Detail != "" {
				return printable([]byte(problem.Detail))
			}
		}
	}
	return printable(body)
}

// The bounds of the headers that a saga sees; what is beyond is not seen.
const (
	headersMax      = 50
	headersBytesMax = 8 << 10
)

// headersOf returns the headers of an answer as a JSON object, with names in lower case, "" if there are none. Those of
// the connection, dates, and what is a secret between the participant and us are left out.
func headersOf(header http.Header) string {
	if !tells(header) {
		return ""
	}
	all, size := make(map[string]string, len(header)), 0
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if ours(name) {
			continue
		}
		value := strings.Join(header[name], ", ")
		if size += len(name) + len(value); size > headersBytesMax || len(all) == headersMax {
			break
		}
		all[strings.ToLower(name)] = value
	}
	if len(all) == 0 {
		return ""
	}
	text, _ := json.Marshal(all) // texts
	return string(text)
}

// tells reports whether there is a header that sagas see.
func tells(header http.Header) bool {
	for name := range header {
		if !ours(name) {
			return true
		}
	}
	return false
}

// ours reports whether a header is nothing for sagas.
func ours(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Date", "Keep-Alive", "Set-Cookie", "Trailer", "Transfer-Encoding":
		return true
	}
	return false
}

// printable makes one line of at most textBytesMax bytes out of anything.
func printable(text []byte) string {
	var b strings.Builder
	space := false
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r == utf8.RuneError && size == 1:
			r = '?'
		case unicode.IsSpace(r) || unicode.IsControl(r):
			space = b.Len() > 0
			continue
		case !unicode.IsPrint(r):
			r = '?'
		}
		more := utf8.RuneLen(r)
		if space {
			more++
		}
		if b.Len()+more > textBytesMax {
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// retryAfter reads when a participant wants to be asked again: seconds or a date. Nonsense is 0.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if value == "" {
		return 0
	}
	if n, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(n, uint64(afterMax/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), afterMax)
}
