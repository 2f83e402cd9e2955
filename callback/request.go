package callback

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// operation is what a participant is asked for.
func operation(cmd *txn.Command) string {
	switch {
	case cmd.Kind == txn.Check:
		return "check"
	case cmd.Kind == txn.HTTPTCC && cmd.Op == txn.Commit:
		return "confirm"
	case cmd.Kind == txn.HTTPTCC:
		return "cancel"
	case cmd.Kind.Step() && cmd.Identity().Op == txn.Forward:
		return "forward"
	case cmd.Kind.Step():
		return "compensate"
	case cmd.Op == txn.Commit:
		return "commit"
	}
	return "rollback"
}

// appendKey appends the idempotency key: the same for every attempt at an operation, and for no other operation. It
// begins with the xid, which is so many bytes of it.
func appendKey(dst []byte, cmd *txn.Command) (key []byte, xid int) {
	from := len(dst)
	dst = cmd.XID.Append(dst)
	xid = len(dst) - from
	dst = append(dst, '/')
	dst = strconv.AppendInt(dst, cmd.Identity().BranchID, 10)
	dst = append(dst, '/')
	return append(dst, operation(cmd)...), xid
}

// appendRequest appends a whole request to dst. trace is the traceparent, or "".
func (t *Transport) appendRequest(dst []byte, s *signer, c *call, trace string) []byte {
	cmd, e := &c.cmd, &c.endpoint
	id := cmd.Identity()
	var scratch [128]byte
	key, xid := appendKey(scratch[:0], cmd)
	dst = append(append(dst, cmd.Call.Verb(cmd.Op)...), ' ')
	if t.proxy != nil && !e.tls {
		dst = append(append(dst, "http://"...), e.authority...)
	}
	from := len(dst)
	dst = appendTarget(dst, e, cmd, key, xid)
	target := dst[from:]
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, e.authority...)
	dst = append(append(dst, "\r\nUser-Agent: "...), t.agent...)
	if t.proxy != nil && !e.tls && t.proxy.authorization != "" {
		dst = append(append(dst, "\r\nProxy-Authorization: "...), t.proxy.authorization...)
	}
	clean(key)
	dst = append(append(dst, "\r\nConcord-Xid: "...), key[:xid]...)
	dst = append(dst, "\r\nConcord-Branch: "...)
	dst = strconv.AppendInt(dst, id.BranchID, 10)
	dst = append(append(dst, "\r\nConcord-Operation: "...), operation(cmd)...)
	dst = append(dst, "\r\nConcord-Attempt: "...)
	dst = strconv.AppendUint(dst, uint64(id.Attempt), 10)
	dst = append(append(dst, "\r\nIdempotency-Key: "...), key...)
	seconds := int64(t.clock.Now()) / 1000
	dst = append(dst, "\r\nConcord-Timestamp: "...)
	dst = strconv.AppendInt(dst, seconds, 10)
	body := c.body()
	if len(s.macs) > 0 {
		dst = append(dst, "\r\nConcord-Signature: "...)
		dst = s.append(dst, seconds, target, body)
	}
	if trace != "" {
		dst = append(append(dst, "\r\nTraceparent: "...), trace...)
	}
	dst = appendOwn(dst, cmd.Call.Headers, body)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// appendTarget appends the path and the query with the parameters that name the command.
func appendTarget(dst []byte, e *endpoint, cmd *txn.Command, key []byte, xid int) []byte {
	id := cmd.Identity()
	dst = append(append(dst, e.path...), '?')
	if e.query != "" {
		dst = append(append(dst, e.query...), '&')
	}
	dst = append(dst, paramXID+"="...)
	dst = appendEscaped(dst, key[:xid])
	dst = append(dst, "&"+paramBranch+"="...)
	dst = strconv.AppendInt(dst, id.BranchID, 10)
	dst = append(append(dst, "&"+paramOperation+"="...), operation(cmd)...)
	dst = append(dst, "&"+paramAttempt+"="...)
	dst = strconv.AppendUint(dst, uint64(id.Attempt), 10)
	dst = append(dst, "&"+paramKey+"="...)
	return appendEscaped(dst, key)
}

// appendEscaped appends the value of a query parameter. Colons and slashes are legal there as they are.
func appendEscaped(dst, value []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range value {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~',
			c == ':', c == '/':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// clean replaces what cannot be in a header.
func clean(text []byte) {
	for i, c := range text {
		if c < ' ' || c >= 0x7f {
			text[i] = '?'
		}
	}
}

// appendOwn appends the branch's own headers, and says what the body is unless one of them does.
func appendOwn(dst []byte, headers []txn.CallHeader, body []byte) []byte {
	typed := len(body) == 0
	for i := range headers {
		h := &headers[i]
		typed = typed || strings.EqualFold(h.Name, "Content-Type")
		dst = append(append(dst, "\r\n"...), h.Name...)
		dst = append(append(dst, ": "...), h.Value...)
	}
	switch {
	case typed:
	case json.Valid(body):
		dst = append(dst, "\r\nContent-Type: application/json"...)
	default:
		dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8"...)
	}
	return dst
}

// body is what is sent. A question about a message has none: it was data for those who get it.
func (c *call) body() []byte {
	if c.cmd.Kind == txn.Check {
		return nil
	}
	return []byte(c.cmd.Data)
}
