package callback

import (
	"bufio"
	"bytes"
)

// plainAnswer takes the answer that most participants give from r: status 200, all of it there, with a length and
// without anything about the connection. It reports false, having taken nothing, if it is any other; then net/http
// reads it, which costs more. What is taken here, net/http would have read in the same way.
func plainAnswer(r *bufio.Reader) bool {
	if _, err := r.Peek(1); err != nil {
		return false // net/http gets it again
	}
	const begin = "HTTP/1.1 200"
	all, _ := r.Peek(r.Buffered()) // they are there
	line, rest, ok := bytes.Cut(all, []byte("\r\n"))
	if !ok || len(line) < len(begin) || string(line[:len(begin)]) != begin ||
		len(line) > len(begin) && line[len(begin)] != ' ' || !visible(line) {
		return false
	}
	length := -1
	for {
		if line, rest, ok = bytes.Cut(rest, []byte("\r\n")); !ok {
			return false
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || !token(name) || !visible(value) {
			return false
		}
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length >= 0 {
				return false
			}
			if length, ok = decimal(bytes.Trim(value, " ")); !ok {
				return false
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")), bytes.EqualFold(name, []byte("Connection")),
			bytes.EqualFold(name, []byte("Trailer")), bytes.EqualFold(name, []byte("Upgrade")):
			return false
		}
	}
	if length != len(rest) {
		return false
	}
	_, err := r.Discard(len(all))
	return err == nil
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
