package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// branchBody is a branch in a request: a participant that is reached by URLs or by a message.
type branchBody struct {
	Kind string `json:"kind"`
	// ConfirmURL and CancelURL are those of kind tcc, CommitURL and RollbackURL those of kind http.
	ConfirmURL  string `json:"confirmUrl"`
	CancelURL   string `json:"cancelUrl"`
	CommitURL   string `json:"commitUrl"`
	RollbackURL string `json:"rollbackUrl"`
	// Topic and Ack are those of kind topic.
	Topic string `json:"topic"`
	Ack   string `json:"ack"`
	// Payload is sent to the participant: a text as it is, any other JSON as its compact text.
	Payload   json.RawMessage   `json:"payload"`
	Headers   map[string]string `json:"headers"`
	TimeoutMs int64             `json:"timeoutMs"`
	Retry     retryBody         `json:"retry"`
	// Key makes the registration unique within its transaction.
	Key string `json:"key"`
}

// retryBody says how a participant is tried again; 0 is what the server is configured with.
type retryBody struct {
	FirstMs  int64 `json:"firstMs"`
	MaxMs    int64 `json:"maxMs"`
	Attempts int64 `json:"attempts"`
}

// registrations checks branches and makes what the runtime wants.
func (s *Server) registrations(all []branchBody, client string) ([]orchestrator.RegisterRequest, error) {
	if len(all) > branchesPerRequestMax {
		return nil, &argumentError{fmt.Sprintf("more than %d branches in one request", branchesPerRequestMax)}
	}
	out := make([]orchestrator.RegisterRequest, 0, len(all))
	for i := range all {
		r, err := s.registration(&all[i], client)
		if err != nil {
			if len(all) > 1 {
				err = &argumentError{fmt.Sprintf("branches[%d]: %v", i, err)}
			}
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *Server) registration(b *branchBody, client string) (r orchestrator.RegisterRequest, err error) {
	r.Client, r.Key, r.Data = client, b.Key, payloadText(b.Payload)
	if b.Key != "" && clean(b.Key, keyBytesMax) != b.Key {
		return r, &argumentError{fmt.Sprintf("key is longer than %d bytes, or not printable", keyBytesMax)}
	}
	if err := b.foreign(); err != nil {
		return r, err
	}
	switch b.Kind {
	case "topic":
		r.Kind, r.Resource = txn.Topic, b.Topic
		r.Ack, err = s.topic(b)
	case "tcc":
		r.Kind = txn.HTTPTCC
		r.Call, err = s.call(b, named{"confirmUrl", b.ConfirmURL}, named{"cancelUrl", b.CancelURL})
		if err == nil && (b.ConfirmURL == "" || b.CancelURL == "") {
			err = &argumentError{"kind tcc has a confirmUrl and a cancelUrl"}
		}
	case "http":
		r.Kind = txn.HTTP
		r.Call, err = s.call(b, named{"commitUrl", b.CommitURL}, named{"rollbackUrl", b.RollbackURL})
		if err == nil && b.CommitURL == "" && b.RollbackURL == "" {
			err = &argumentError{"kind http has a commitUrl, a rollbackUrl or both"}
		}
	default:
		err = &argumentError{fmt.Sprintf("kind is tcc, http or topic, not %q", b.Kind)}
	}
	if r.Call != nil {
		r.Resource = resourceOf(r.Call)
	}
	return r, err
}

// named is a field of a request and its value.
type named struct{ name, value string }

// foreign reports a field that another kind has.
func (b *branchBody) foreign() error {
	fields := []struct {
		kind string
		named
	}{
		{"tcc", named{"confirmUrl", b.ConfirmURL}}, {"tcc", named{"cancelUrl", b.CancelURL}},
		{"http", named{"commitUrl", b.CommitURL}}, {"http", named{"rollbackUrl", b.RollbackURL}},
		{"topic", named{"topic", b.Topic}}, {"topic", named{"ack", b.Ack}},
	}
	for _, f := range fields {
		if f.value != "" && f.kind != b.Kind {
			return &argumentError{fmt.Sprintf("%s goes with kind %s, not with %q", f.name, f.kind, b.Kind)}
		}
	}
	if b.Kind == "topic" && (len(b.Headers) > 0 || b.TimeoutMs != 0 || b.Retry != retryBody{}) {
		return &argumentError{"headers, timeoutMs and retry do not go with kind topic"}
	}
	return nil
}

// topic checks a branch of kind topic.
func (s *Server) topic(b *branchBody) (txn.Ack, error) {
	ack, ok := txn.ParseAck(cmp.Or(b.Ack, txn.AckBroker.String()))
	switch {
	case !ok:
		return 0, &argumentError{fmt.Sprintf("ack is broker or report, not %q", b.Ack)}
	case b.Topic == "":
		return 0, &argumentError{"topic is missing"}
	case s.o.CheckTopic != nil:
		if wrong := s.o.CheckTopic(b.Topic); wrong != nil {
			return 0, &argumentError{wrong.Error()}
		}
	}
	return ack, nil
}

// call checks how a participant is called.
func (s *Server) call(b *branchBody, commit, rollback named) (*txn.Call, error) {
	for _, u := range []named{commit, rollback} {
		if err := s.checkURL(u); err != nil {
			return nil, err
		}
	}
	c := &txn.Call{
		CommitURL: commit.value, RollbackURL: rollback.value,
		Timeout: millis(b.TimeoutMs), First: millis(b.Retry.FirstMs), Max: millis(b.Retry.MaxMs),
	}
	switch {
	case b.TimeoutMs < 0 || c.Timeout > callTimeoutMax || b.TimeoutMs > callTimeoutMax.Milliseconds():
		return nil, &argumentError{fmt.Sprintf("timeoutMs is a number from 1 to %d", callTimeoutMax.Milliseconds())}
	case min(b.Retry.FirstMs, b.Retry.MaxMs, b.Retry.Attempts) < 0,
		max(b.Retry.FirstMs, b.Retry.MaxMs) > retryPauseMax.Milliseconds(), b.Retry.Attempts > 1<<31:
		return nil, &argumentError{fmt.Sprintf("retry has pauses of at most %d ms and a number of attempts",
			retryPauseMax.Milliseconds())}
	case len(b.Headers) > callHeadersMax:
		return nil, &argumentError{fmt.Sprintf("more than %d headers", callHeadersMax)}
	}
	c.Attempts = uint32(b.Retry.Attempts)
	for name, value := range b.Headers {
		if err := checkHeader(name, value); err != nil {
			return nil, err
		}
		c.Headers = append(c.Headers, txn.CallHeader{Name: name, Value: value})
	}
	slices.SortFunc(c.Headers, func(a, b txn.CallHeader) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

// checkURL says why a URL cannot be called; an absent one can.
func (s *Server) checkURL(u named) error {
	switch {
	case u.value == "":
		return nil
	case len(u.value) > callURLBytesMax:
		return &argumentError{fmt.Sprintf("%s is longer than %d bytes", u.name, callURLBytesMax)}
	}
	scheme, rest, _ := strings.Cut(u.value, "://")
	wrong := rest == "" || rest[0] == '/' || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https")
	if !wrong && s.o.CheckURL != nil { // it reads the URL itself, and more strictly than is done here
		if err := s.o.CheckURL(u.value); err != nil {
			return &argumentError{fmt.Sprintf("%s: %v", u.name, err)}
		}
		return nil
	}
	parsed, err := url.Parse(u.value)
	if wrong || err != nil || parsed.Host == "" {
		return &argumentError{fmt.Sprintf("%s is an http or https URL, not %.80q", u.name, u.value)}
	}
	return nil
}

// ourHeaders are those that the coordinator sets itself, or that are the connection's business.
var ourHeaders = []string{
	"connection", "content-length", "cookie", "expect", "host", "idempotency-key", "keep-alive", "proxy-authorization",
	"proxy-connection", "te", "traceparent", "trailer", "transfer-encoding", "upgrade", "user-agent",
}

// checkHeader says why a header cannot be sent along.
func checkHeader(name, value string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "" || len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return !isTokenRune(r) }):
		return &argumentError{fmt.Sprintf("%.100q is not the name of a header", name)}
	case slices.Contains(ourHeaders, lower) || strings.HasPrefix(lower, "concord-"):
		return &argumentError{fmt.Sprintf("header %s is set by the coordinator", name)}
	case len(value) > 4096 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }):
		return &argumentError{fmt.Sprintf("the value of header %s is longer than 4096 bytes, or not printable", name)}
	}
	return nil
}

// isTokenRune reports whether r may be part of a token. RFC 9110, section 5.6.2.
func isTokenRune(r rune) bool {
	return r > ' ' && r < 0x7f && !strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

// payloadText returns what is sent for a payload: the text of a JSON string, or compact JSON.
func payloadText(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var text string
	if raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return text
	}
	if bytes.IndexByte(raw, ' ') < 0 && bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\t') < 0 &&
		bytes.IndexByte(raw, '\r') < 0 {
		return string(raw) // nothing is left to be taken out
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return string(raw)
	}
	return compact.String()
}

// resourceOf names the participant behind a call: its address without the query, which may hold what is secret.
func resourceOf(c *txn.Call) string {
	resource, _, _ := strings.Cut(cmp.Or(c.CommitURL, c.RollbackURL), "?")
	resource, _, _ = strings.Cut(resource, "#")
	return resource
}

func millis(n int64) time.Duration {
	if n > int64(1<<62)/int64(time.Millisecond) {
		return 1 << 62
	}
	return time.Duration(n) * time.Millisecond
}
