package web

import (
	"encoding/json"
	"unicode/utf8"
)

// The bodies of a begin, a branch and a decision, read without encoding/json: they come for every transaction. Only the
// usual is read here: an object with known fields, each once, and texts without escapes. Of everything else nothing is
// taken, and encoding/json reads it, or says what is wrong with it. A test compares both.

// usual reads a body that is as bodies usually are. It reports false, having perhaps begun to fill the body in, if
// another reader has to begin from the start. Nothing of the body refers to the text afterwards.
func usual(text []byte, body any) bool {
	r := reader{text: text}
	if r.space(); r.at == len(text) {
		return true // a body may be missing
	}
	ok := false
	switch body := body.(type) {
	case *beginBody:
		ok = r.begin(body)
	case *decideBody:
		ok = r.decide(body)
	case *branchBody:
		ok = r.branch(body)
	case *sagaStart:
		ok = r.start(body)
	}
	r.space()
	return ok && r.at == len(text)
}

// reader goes through a text. Each of its methods reports false if it finds something unusual.
type reader struct {
	text []byte
	at   int
}

// space passes over white space.
func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// next passes over white space and takes the byte c, if that is what follows.
func (r *reader) next(c byte) bool {
	r.space()
	if r.at == len(r.text) || r.text[r.at] != c {
		return false
	}
	r.at++
	return true
}

// list reads what is between open and shut, separated by commas.
func (r *reader) list(open, shut byte, item func() bool) bool {
	if !r.next(open) {
		return false
	}
	if r.next(shut) {
		return true
	}
	for item() {
		if r.next(shut) {
			return true
		}
		if !r.next(',') {
			return false
		}
	}
	return false
}

// object reads an object. field reads the value of a field; it returns the field's number, negative if there is none or
// its value is unusual.
func (r *reader) object(field func(name []byte) int) bool {
	seen := 0
	return r.list('{', '}', func() bool {
		name, ok := r.raw()
		if !ok || !r.next(':') {
			return false
		}
		n := field(name)
		if n < 0 || seen&(1<<n) != 0 {
			return false
		}
		seen |= 1 << n
		return true
	})
}

// raw reads a text without escapes.
func (r *reader) raw() (text []byte, ok bool) {
	if !r.next('"') {
		return nil, false
	}
	from, wide := r.at, false
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			text = r.text[from:r.at]
			r.at++
			return text, !wide || utf8.Valid(text)
		case c < ' ' || c == '\\':
			return nil, false
		case c >= utf8.RuneSelf:
			wide = true
		}
	}
	return nil, false
}

// string reads a text into s, and returns n if that was one.
func (r *reader) string(s *string, n int) int {
	text, ok := r.raw()
	if !ok {
		return -1
	}
	*s = string(text)
	return n
}

// digitsMax is the most digits that surely fit into an int64.
const digitsMax = 18

// number reads a whole number into i, and returns n if that was one.
func (r *reader) number(i *int64, n int) int {
	negative := r.next('-')
	if !negative {
		r.space()
	}
	from := r.at
	for ; r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9'; r.at++ {
		*i = *i*10 + int64(r.text[r.at]-'0')
	}
	if size := r.at - from; size == 0 || size > digitsMax || size > 1 && r.text[from] == '0' {
		return -1
	}
	if r.at < len(r.text) {
		switch r.text[r.at] {
		case '.', 'e', 'E':
			return -1
		}
	}
	if negative {
		*i = -*i
	}
	return n
}

// depthMax is how deep a value may be nested to be read here.
const depthMax = 100

// value reads an object, a list or a text as it stands into raw, and returns n if it was one.
func (r *reader) value(raw *json.RawMessage, n int) int {
	r.space()
	from, depth := r.at, 0
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case '"':
			if !r.pass() {
				return -1
			}
		case '{', '[':
			depth++
			r.at++
		case '}', ']':
			depth--
			r.at++
		default:
			if depth == 0 {
				return -1 // a number or a word, whose end is not as easily seen
			}
			r.at++
		}
		if depth < 0 || depth > depthMax {
			return -1
		}
		if depth == 0 {
			*raw = append(json.RawMessage(nil), r.text[from:r.at]...)
			if json.Valid(*raw) {
				return n
			}
			return -1
		}
	}
	return -1
}

// pass passes over a text, whatever is in it.
func (r *reader) pass() bool {
	for r.at++; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return true
		}
	}
	return false
}

func (r *reader) begin(b *beginBody) bool {
	return r.object(func(name []byte) int {
		switch string(name) {
		case "application":
			return r.string(&b.Application, 0)
		case "group":
			return r.string(&b.Group, 1)
		case "name":
			return r.string(&b.Name, 2)
		case "timeoutMs":
			return r.number(&b.TimeoutMs, 3)
		case "data":
			return r.value(&b.Data, 4)
		case "branches":
			b.Branches = make([]branchBody, 0, 2)
			if r.list('[', ']', func() bool {
				b.Branches = append(b.Branches, branchBody{})
				return r.branch(&b.Branches[len(b.Branches)-1])
			}) {
				return 5
			}
		}
		return -1
	})
}

func (r *reader) start(b *sagaStart) bool {
	return r.object(func(name []byte) int {
		switch string(name) {
		case "saga":
			return r.string(&b.Saga, 0)
		case "key":
			b.Key = new(string)
			return r.string(b.Key, 1)
		case "input":
			return r.value(&b.Input, 2)
		case "application":
			return r.string(&b.Application, 3)
		case "timeout":
			return r.string(&b.Timeout, 4)
		}
		return -1
	})
}

func (r *reader) decide(b *decideBody) bool {
	return r.object(func(name []byte) int {
		if string(name) != "waitMs" {
			return -1
		}
		b.WaitMs = new(int64)
		return r.number(b.WaitMs, 0)
	})
}

func (r *reader) branch(b *branchBody) bool {
	return r.object(func(name []byte) int {
		switch string(name) {
		case "kind":
			return r.string(&b.Kind, 0)
		case "confirmUrl":
			return r.string(&b.ConfirmURL, 1)
		case "cancelUrl":
			return r.string(&b.CancelURL, 2)
		case "commitUrl":
			return r.string(&b.CommitURL, 3)
		case "rollbackUrl":
			return r.string(&b.RollbackURL, 4)
		case "topic":
			return r.string(&b.Topic, 5)
		case "ack":
			return r.string(&b.Ack, 6)
		case "payload":
			return r.value(&b.Payload, 7)
		case "timeoutMs":
			return r.number(&b.TimeoutMs, 8)
		case "key":
			return r.string(&b.Key, 9)
		}
		return -1 // headers and retry are rare enough to be left to encoding/json
	})
}
