package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// Outcomes of requests that a caller branches on; errors.Is finds them in what [Client.Do] returns.
var (
	// ErrUnreachable says that no server could be reached: nothing was sent.
	ErrUnreachable = errors.New("no server could be reached")
	// ErrUnknown says that a request was sent and may have been carried out, but no answer says so.
	ErrUnknown = errors.New("the outcome of the request is unknown")
	// ErrAnswerTooLarge says that an answer was over Options.AnswerBytesMax. The request was carried out.
	ErrAnswerTooLarge = errors.New("the answer is over the limit")
)

// Problem is a refusal: RFC 9457, with a code that never changes its meaning.
type Problem struct {
	// Status is that of HTTP.
	Status int `json:"status"`
	// Code is for programs; web/openapi.yaml and docs have them. It is empty if the answer did not come from Concord.
	Code string `json:"code"`
	// Title and Detail are for people.
	Title  string `json:"title"`
	Detail string `json:"detail"`
	// Retryable says that nothing was done, and that the same request may succeed later.
	Retryable bool `json:"retryable"`
	// RequestID finds the request in the server's log.
	RequestID string `json:"requestId"`
	// Body is the whole document, for what some problems have beside that, such as findings.
	Body json.RawMessage `json:"-"`
}

// Error returns the problem in words.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.WriteString(" " + p.Detail)
	}
	fmt.Fprintf(&b, " (%d", p.Status)
	if p.Code != "" {
		b.WriteString(" " + p.Code)
	}
	if p.RequestID != "" {
		b.WriteString(", request " + p.RequestID)
	}
	b.WriteString(")")
	return b.String()
}

// unknown reports whether the request may have been carried out all the same.
func (p *Problem) unknown() bool { return p.Status >= http.StatusInternalServerError && !p.Retryable }

// CodeOf returns the code of the problem in an error, or "".
func CodeOf(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// Error is a request that was not answered, or was refused. It wraps a [*Problem], or the error of the connection.
type Error struct {
	// Method and Path are those of the request.
	Method, Path string
	// Attempts is how often it was sent or tried to.
	Attempts int
	// Err is what the last attempt said.
	Err error

	unknown, unreachable bool
}

// Error returns what was asked for and what came of it.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.Method, e.Path, e.Err)
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (after %d attempts)", e.Attempts)
	}
	return text
}

// over notes that ctx has ended.
func (e *Error) over(ctx context.Context) *Error {
	if !errors.Is(e.Err, ctx.Err()) {
		e.Err = fmt.Errorf("%w: %w", ctx.Err(), e.Err)
	}
	return e
}

// Unwrap returns what the last attempt said, and why there was no other.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether it is ErrUnknown or ErrUnreachable; never both.
func (e *Error) Is(target error) bool {
	return target == ErrUnknown && e.unknown || target == ErrUnreachable && e.unreachable && !e.unknown
}

// problemOf makes a problem of an answer that is not 2xx. What is no problem document, such as the page of a proxy, has
// no code.
func problemOf(status int, contentType string, body []byte) *Problem {
	p := &Problem{}
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind == "application/problem+json" && json.Unmarshal(body, p) == nil && p.Code != "" {
		p.Status, p.Body = status, body
		return p
	}
	title := strings.TrimSpace(fmt.Sprint("The server answered ", status, " ", http.StatusText(status)))
	return &Problem{Status: status, Title: title + ".", Detail: excerpt(body)}
}

// excerpt is the begin of an answer, for people.
func excerpt(body []byte) string {
	const most = 200
	text := strings.ToValidUTF8(strings.Join(strings.Fields(string(body[:min(len(body), 4*most)])), " "), "")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
