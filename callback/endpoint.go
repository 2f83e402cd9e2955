package callback

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// urlBytesMax bounds a URL that is called.
const urlBytesMax = 8 << 10

// endpoint is a URL that was found fit to be called, in the parts that a request is made of.
type endpoint struct {
	tls  bool
	host string     // name in lower case without a dot at the end, or the address
	addr netip.Addr // valid if the host is an address
	port uint16
	// origin is scheme://host:port; authority is what the Host header says.
	origin, authority string
	path, query       string // as written; the path begins with a slash
}

// The parameters that are added to the query of a URL, and are named like the headers that say the same.
const (
	paramXID       = "concord-xid"
	paramBranch    = "concord-branch"
	paramOperation = "concord-operation"
	paramAttempt   = "concord-attempt"
	paramKey       = "idempotency-key"
)

// reservedParam reports whether a query of the participant's own must not have the parameter.
func reservedParam(name string) bool {
	switch strings.ToLower(name) {
	case paramXID, paramBranch, paramOperation, paramAttempt, paramKey:
		return true
	}
	return false
}

// parseURL reads a URL strictly: whatever two readers could understand differently is refused.
func parseURL(raw string) (endpoint, error) {
	if raw == "" || len(raw) > urlBytesMax {
		return endpoint{}, fmt.Errorf("a URL has 1 to %d bytes, this one %d", urlBytesMax, len(raw))
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '#' {
			return endpoint{}, fmt.Errorf("a URL must not contain the byte 0x%02x; it is written as %%%02X", c, c)
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return endpoint{}, errors.New("it is no URL: " + withoutURL(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return endpoint{}, fmt.Errorf("its scheme is %q; only https and http are called", u.Scheme)
	case u.Opaque != "" || u.Host == "":
		return endpoint{}, errors.New("it names no host")
	case u.User != nil:
		return endpoint{}, errors.New("a URL must not contain credentials; send them as a header of the branch")
	}
	e := endpoint{tls: u.Scheme == "https", path: u.EscapedPath(), query: u.RawQuery}
	if e.path == "" {
		e.path = "/"
	}
	if err := e.readHost(u); err != nil {
		return endpoint{}, err
	}
	return e, e.checkQuery()
}

// withoutURL is what the parser of URLs says, without the URL.
func withoutURL(err error) string {
	var parse *url.Error
	if errors.As(err, &parse) {
		err = parse.Err
	}
	return err.Error()
}

func (e *endpoint) readHost(u *url.URL) (err error) {
	if e.addr, e.host, err = readHostname(u.Hostname(), strings.HasPrefix(u.Host, "[")); err != nil {
		return err
	}
	e.port = 80
	if e.tls {
		e.port = 443
	}
	written := e.host
	if e.addr.Is6() {
		written = "[" + e.host + "]"
	}
	e.authority = written
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("its port %s is not between 1 and 65535", port)
		}
		if uint16(n) != e.port {
			e.authority = written + ":" + strconv.FormatUint(n, 10)
		}
		e.port = uint16(n)
	} else if strings.HasSuffix(u.Host, ":") {
		return errors.New("its port is empty")
	}
	e.origin = u.Scheme + "://" + written + ":" + strconv.Itoa(int(e.port))
	return nil
}

// readHostname reads a host: an address in its usual form, or the name of one. Numbers in any other form (decimal,
// octal, hexadecimal, with less than four parts) are refused, since who resolves them may take them for addresses.
func readHostname(host string, bracketed bool) (netip.Addr, string, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" || addr.Is6() != bracketed {
			return netip.Addr{}, "", fmt.Errorf("its host %q is no address that is called", host)
		}
		return addr, addr.String(), nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if err := checkName(name); err != nil {
		return netip.Addr{}, "", err
	}
	return netip.Addr{}, name, nil
}

// checkName says what is wrong with the name of a host.
func checkName(name string) error {
	if name == "" || len(name) > 253 {
		return fmt.Errorf("its host %q is not the name of one", name)
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		bad := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' }
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, bad) {
			return fmt.Errorf("its host %q is not the name of one", name)
		}
		last = label
	}
	if numeric(last) {
		return fmt.Errorf("its host %q is a number; an address is written with four decimal parts, or in brackets", name)
	}
	return nil
}

// numeric reports whether somebody could take a label for a number.
func numeric(label string) bool {
	if hex, found := strings.CutPrefix(label, "0x"); found {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// checkQuery refuses parameters that are the coordinator's.
func (e *endpoint) checkQuery() error {
	if e.query == "" {
		return nil
	}
	values, err := url.ParseQuery(e.query)
	if err != nil {
		return errors.New("its query is malformed: " + err.Error())
	}
	for name := range values {
		if reservedParam(name) {
			return fmt.Errorf("its query must not have the parameter %s, which each call adds", name)
		}
	}
	return nil
}

// CheckHeader says, for people, why a branch cannot have its calls sent with the header.
func CheckHeader(name, value string) error {
	token := func(r rune) bool {
		return r > ' ' && r < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}
	if name == "" || len(name) > 256 || strings.ContainsFunc(name, func(r rune) bool { return !token(r) }) {
		return fmt.Errorf("%.80q is not the name of a header", name)
	}
	if reservedHeader(name) {
		return fmt.Errorf("header %s is set by the coordinator or by the connection", name)
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return fmt.Errorf("the value of header %s must not contain the byte 0x%02x", name, c)
		}
	}
	return nil
}

// reservedHeader reports whether a branch must not set a header: those of this package, those that belong to the
// connection (RFC 9110, section 7.6.1), and cookies, which are for browsers.
func reservedHeader(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "expect",
		"proxy-authorization", "proxy-connection", "cookie", "user-agent", "idempotency-key", "traceparent":
		return true
	}
	return strings.HasPrefix(name, "concord-")
}

// checkHeaders says what is wrong with the headers of a branch.
func checkHeaders(headers []txn.CallHeader) error {
	for i := range headers {
		if err := CheckHeader(headers[i].Name, headers[i].Value); err != nil {
			return err
		}
	}
	return nil
}
