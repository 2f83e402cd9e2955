package callback

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
)

// plain is an answer with status 200 as most are.
type plain struct {
	// header has what a saga may see, nil if there is nothing.
	header http.Header
	// body is valid until the connection is read again.
	body []byte
}

// plainAnswer takes the answer that most participants give from r: status 200, all of it there, with a length and
// without anything about the connection. It reports false, having taken nothing, if it is any other; then net/http
// reads it, which costs more. What is taken here, net/http would have read in the same way. Headers are read where they
// are wanted.
func plainAnswer(r *bufio.Reader, headers bool) (p plain, ok bool) {
	if _, err := r.Peek(1); err != nil {
		return p, false // net/http gets it again
	}
	const begin = "HTTP/1.1 200"
	all, _ := r.Peek(r.Buffered()) // they are there
	line, rest, ok := bytes.Cut(all, []byte("\r\n"))
	if !ok || len(line) < len(begin) || string(line[:len(begin)]) != begin ||
		len(line) > len(begin) && line[len(begin)] != ' ' || !visible(line) {
		return p, false
	}
	length := -1
	for {
		if line, rest, ok = bytes.Cut(rest, []byte("\r\n")); !ok {
			return p, false
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || !token(name) || !visible(value) {
			return p, false
		}
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length >= 0 {
				return p, false
			}
			if length, ok = decimal(bytes.Trim(value, " ")); !ok {
				return p, false
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")), bytes.EqualFold(name, []byte("Connection")),
			bytes.EqualFold(name, []byte("Trailer")), bytes.EqualFold(name, []byte("Upgrade")),
			bytes.EqualFold(name, []byte("Pragma")):
			return p, false
		case headers:
			p.see(name, value)
		}
	}
	if length != len(rest) {
		return p, false
	}
	p.body = rest
	_, err := r.Discard(len(all))
	return p, err == nil
}

// see keeps a header if it is something for sagas.
func (p *plain) see(name, value []byte) {
	canonical := textproto.CanonicalMIMEHeaderKey(string(name))
	if ours(canonical) {
		return
	}
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header[canonical] = append(p.header[canonical], string(bytes.Trim(value, " ")))
}

// token reports whether a name is one that nobody can read differently.
func token(name []byte) bool {
	for _, c := range name {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(name) > 0
}

// visible reports whether there are only printable ASCII characters.
func visible(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// decimal reads a number below 10,000.
func decimal(digits []byte) (n int, ok bool) {
	if len(digits) == 0 || len(digits) > 4 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, true
}
