package machine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/statelang"
	"github.com/concord-tx/concord/saga/statelang/spel"
)

// thrown is an exception as services send it, and as it is kept with a branch.
type thrown struct {
	// Exception is the full name of the class, Supers those that it extends, the nearest first.
	Exception string   `json:"exception"`
	Message   string   `json:"message,omitempty"`
	Supers    []string `json:"supers,omitempty"`
	Cause     *thrown  `json:"cause,omitempty"`
}

// kept is the answer that a branch keeps if the call threw.
type kept struct {
	Thrown *thrown `json:"$exception"`
}

// The classes of exceptions that come from how an answer arrived, not from what it said.
const (
	classConnect = "java.net.ConnectException"
	classTimeout = "java.net.SocketTimeoutException"
	classEngine  = "org.apache.seata.saga.engine.exception.EngineExecutionException"
	classRefused = "java.lang.IllegalStateException"
)

// engine is an exception of the engine itself.
func engine(format string, args ...any) *statelang.Exception {
	return &statelang.Exception{
		Class: classEngine, Message: fmt.Sprintf(format, args...), Supers: []string{"java.lang.RuntimeException"},
	}
}

// exception translates what a service sent.
func (t *thrown) exception(depth int) *statelang.Exception {
	if t == nil || depth > limits.ExceptionsMax {
		return nil
	}
	return &statelang.Exception{
		Class: t.Exception, Message: t.Message, Supers: t.Supers[:min(len(t.Supers), limits.ExceptionsMax)],
		Cause: t.Cause.exception(depth + 1),
	}
}

// keep is the reverse, as it is kept with a branch.
func keep(t *thrown) string {
	text, err := json.Marshal(kept{t})
	if err != nil || len(text) > limits.PayloadBytesMax {
		class := t.Exception[:min(len(t.Exception), limits.TextBytesMax)] // no class has a name as long as that
		text, _ = json.Marshal(kept{&thrown{Exception: class}})
	}
	return string(text)
}

// statusClasses are Spring's exceptions for a status of HTTP, which is how most Java services see one.
var statusClasses = map[uint16]string{
	400: "HttpClientErrorException$BadRequest", 401: "HttpClientErrorException$Unauthorized",
	403: "HttpClientErrorException$Forbidden", 404: "HttpClientErrorException$NotFound",
	409: "HttpClientErrorException$Conflict", 422: "HttpClientErrorException$UnprocessableEntity",
	429: "HttpClientErrorException$TooManyRequests", 500: "HttpServerErrorException$InternalServerError",
	502: "HttpServerErrorException$BadGateway", 503: "HttpServerErrorException$ServiceUnavailable",
	504: "HttpServerErrorException$GatewayTimeout",
}

// springClient is the package of these classes.
const springClient = "org.springframework.web.client."

// byStatus is the exception for an HTTP status that is no success.
func byStatus(code uint16, text string) *thrown {
	family := springClient + "HttpClientErrorException"
	if code >= 500 || code < 400 {
		family = springClient + "HttpServerErrorException"
	}
	t := &thrown{Exception: family, Message: strings.TrimSpace(fmt.Sprintf("%d %s", code, text))}
	if class := statusClasses[code]; class != "" {
		t.Exception = springClient + class
		t.Supers = append(t.Supers, family)
	}
	t.Supers = append(t.Supers, springClient+"HttpStatusCodeException", springClient+"RestClientResponseException",
		springClient+"RestClientException", "org.springframework.core.NestedRuntimeException", "java.lang.RuntimeException")
	return t
}

// said reads an exception from the body of an answer, nil if there is none in it.
func said(answer string) *thrown {
	if !strings.Contains(answer, `"exception"`) {
		return nil
	}
	var t thrown
	if json.Unmarshal([]byte(answer), &t) != nil || t.Exception == "" {
		return nil
	}
	return &t
}

// answered reads a reply to a call: what is kept of it, and what it threw or nil.
func answered(r txn.Reply) (answer string, e *thrown) {
	ok := r.Result == txn.ResultDone
	if r.Code != 0 {
		ok = r.Code >= 200 && r.Code <= 299
	}
	switch {
	case ok && len(r.Answer) > limits.PayloadBytesMax:
		return "", &thrown{Exception: classEngine, Message: "the answer is too long"}
	case ok:
		return definition.AnswerJSON(r.Answer), nil
	case r.Result == txn.ResultUnreachable:
		return "", &thrown{Exception: classConnect, Message: r.Text}
	case r.Result == txn.ResultNoAnswer:
		return "", &thrown{Exception: classTimeout, Message: "Read timed out: " + r.Text}
	}
	if e = said(r.Answer); e != nil {
		return "", e
	}
	if r.Code != 0 {
		return "", byStatus(r.Code, r.Text)
	}
	return "", &thrown{Exception: classRefused, Message: r.Text, Supers: []string{"java.lang.RuntimeException"}}
}

// outcomeOf reads what is known of a call from its branch; ended is false while it is under way.
func outcomeOf(b *txn.Branch) (o statelang.Outcome, ended bool) {
	s := b.Step
	switch {
	case s.Seq > 0 || b.State == txn.PhaseOneFailed:
	case s.GaveUp && s.Answer == "":
		e := thrown{Exception: classTimeout, Message: "Read timed out: " + b.Failure}
		return statelang.Outcome{Exception: e.exception(0)}, true
	case s.GaveUp:
	default:
		return o, false
	}
	if strings.HasPrefix(s.Answer, `{"$exception":`) {
		var k kept
		if json.Unmarshal([]byte(s.Answer), &k) == nil && k.Thrown != nil && k.Thrown.Exception != "" {
			return statelang.Outcome{Exception: k.Thrown.exception(0)}, true
		}
	}
	if b.State == txn.PhaseOneFailed && s.Answer == "" {
		e := thrown{Exception: classRefused, Message: b.Failure, Supers: []string{"java.lang.RuntimeException"}}
		return statelang.Outcome{Exception: e.exception(0)}, true
	}
	value, err := decode(s.Answer)
	if err != nil {
		value = s.Answer
	}
	return statelang.Outcome{Result: value}, true
}

// decode reads JSON as Java does: numbers are int, long or double.
func decode(text string) (any, error) {
	switch text {
	case "", "null":
		return nil, nil
	case "true", "false":
		return text == "true", nil
	}
	if n := len(text) - 1; n > 0 && text[0] == '"' && text[n] == '"' && !strings.ContainsFunc(text[1:n], unlikeItself) {
		return text[1:n], nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows after the value")
	}
	return java(v), nil
}

// unlikeItself reports whether a sign in a text of JSON may mean something else than itself.
func unlikeItself(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

func java(v any) any {
	switch v := v.(type) {
	case json.Number:
		return spel.Number(string(v))
	case []any:
		for i := range v {
			v[i] = java(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = java(v[key])
		}
	}
	return v
}

// encode writes a value as JSON, doubles as Java does: 2.0 stays one.
func encode(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(plain(v)); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func plain(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return json.Number(fmt.Sprintf("%.1f", v))
		}
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key := range v {
			out[key] = plain(v[key])
		}
		return out
	}
	return v
}
