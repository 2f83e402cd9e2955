package callback

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func guarded(t testing.TB, entries ...string) *guard {
	t.Helper()
	g := &guard{insecure: true}
	for _, entry := range entries {
		if err := g.add(entry); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func TestURLsThatAreRefused(t *testing.T) {
	t.Parallel()
	for url, why := range map[string]string{
		"":                                                  "bytes",
		"http://":                                           "no host",
		"stock/confirm":                                     "scheme",
		"//stock.example/confirm":                           "scheme",
		"file:///etc/passwd":                                "scheme",
		"gopher://stock.example/":                           "scheme",
		"ftp://stock.example/":                              "scheme",
		"unix:/var/run/docker.sock":                         "scheme",
		"http:stock.example":                                "no host",
		"http://user@stock.example/":                        "credentials",
		"http://user:pass@stock.example/":                   "credentials",
		"http://stock.example@127.0.0.1/":                   "credentials",
		"http://stock.example\\@127.0.0.1":                  "byte",
		"http://stock.example/#x":                           "byte",
		"http://stock.example/a b":                          "byte",
		"http://stock.example/\r\nX: y":                     "byte",
		"http://stock.exämple/":                             "byte",
		"http://2130706433/":                                "number",
		"http://0x7f000001/":                                "number",
		"http://0x7f.1/":                                    "number",
		"http://017700000001/":                              "number",
		"http://0177.0.0.1/":                                "number",
		"http://127.1/":                                     "number",
		"http://127.0.1/":                                   "number",
		"http://127.0.0.01/":                                "number",
		"http://127.0.0.1./":                                "number",
		"http://1.2.3.4.5/":                                 "number",
		"http://256.1.1.1/":                                 "number",
		"http://0/":                                         "number",
		"http://0x/":                                        "number",
		"http://[fe80::1%25eth0]/":                          "address",
		"http://[::1/":                                      "no URL",
		"http://[stock.example]/":                           "",
		"http://stock..example/":                            "name",
		"http://.example/":                                  "name",
		"http://st%6fck.example%2e/":                        "",
		"http://stock_!.example/":                           "name",
		"http://stock.example:/":                            "port",
		"http://stock.example:0/":                           "port",
		"http://stock.example:65536/":                       "port",
		"http://stock.example:8o/":                          "no URL",
		"http://stock.example/?a=%zz":                       "query",
		"http://stock.example/?a;b=1":                       "query",
		"http://stock.example/?Concord-Xid=1":               "parameter",
		"http://stock.example/?a=1&idempotency%2Dkey=2":     "parameter",
		"http://stock.example/" + strings.Repeat("a", 8200): "bytes",
	} {
		if _, err := parseURL(url); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.60q: %v, want something about %q", url, err, why)
		}
	}
}

func TestWhatAURLIsReadAs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string][4]string{
		"https://Stock.Example":             {"https://stock.example:443", "stock.example", "/", ""},
		"https://stock.example.:443/a?b=c":  {"https://stock.example:443", "stock.example", "/a", "b=c"},
		"http://stock:8080/a%2Fb/?":         {"http://stock:8080", "stock:8080", "/a%2Fb/", ""},
		"http://[0:0::1]:81/":               {"http://[::1]:81", "[::1]:81", "/", ""},
		"http://[::ffff:10.0.0.1]/":         {"http://[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.1]", "/", ""},
		"http://10.0.0.1:00080/?x=%20&y=ü%": {},
		"http://a-1.b_2.xn--p1ai/?x=1&x=2":  {"http://a-1.b_2.xn--p1ai:80", "a-1.b_2.xn--p1ai", "/", "x=1&x=2"},
	} {
		e, err := parseURL(url)
		if got := [4]string{e.origin, e.authority, e.path, e.query}; want[0] != "" && (err != nil || got != want) {
			t.Errorf("%s: %q, %v", url, got, err)
		} else if want[0] == "" && err == nil {
			t.Errorf("%s is accepted", url)
		}
	}
}

func TestWhoMayBeCalled(t *testing.T) {
	t.Parallel()
	list := []string{
		"stock.example", "pay.example:8443", "*.svc.local", "*.ports.local:81", "10.1.0.0/16", "192.168.7.7:8080",
		"[fd00:1::/32]:8080", "fd00:2::5",
	}
	for _, tt := range []struct {
		url string
		ok  bool
	}{
		{"https://stock.example/", true},
		{"https://stock.example:9999/", true},
		{"https://STOCK.example./", true},
		{"https://pay.example:8443/", true},
		{"https://pay.example/", false},
		{"https://a.stock.example/", false},
		{"https://stock.example.evil/", false},
		{"https://a.svc.local/", true},
		{"https://a.b.svc.local/", true},
		{"https://svc.local/", false},
		{"https://evilsvc.local/", false},
		{"http://a.ports.local:81/", true},
		{"http://a.ports.local/", false},
		{"https://10.1.2.3/", true},
		{"https://10.2.2.3/", false},
		{"https://[::ffff:10.1.2.3]/", true},
		{"https://[::ffff:10.2.2.3]/", false},
		{"http://192.168.7.7:8080/", true},
		{"http://192.168.7.7/", false},
		{"http://[fd00:1::9]:8080/", true},
		{"http://[fd00:1::9]/", false},
		{"http://[fd00:2::5]/", true},
		{"http://[fd00:2::6]/", false},
		{"https://8.8.8.8/", false}, // also a public address has to be listed
		{"https://localhost/", false},
	} {
		g := guarded(t, list...)
		e, err := parseURL(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.admits(&e); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrBlocked) {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}

// reachable is an address, and whether it may be called for a name that is listed: with the name alone, and with every
// network listed besides.
type reachable struct {
	addr           string
	alone, listing bool
}

func addressTable() []reachable {
	return []reachable{
		{"93.184.216.34", true, true},
		{"2606:2800:220:1::1", true, true},
		{"64:ff9b::5db8:d822", true, true}, // NAT64 of a public address
		{"127.0.0.1", false, true},
		{"127.255.0.3", false, true},
		{"0.0.0.0", false, true},
		{"0.1.2.3", false, true},
		{"10.0.0.1", false, true},
		{"100.64.0.1", false, true},
		{"172.16.0.1", false, true},
		{"172.31.255.255", false, true},
		{"172.32.0.1", true, true},
		{"192.168.1.1", false, true},
		{"192.0.0.5", false, true},
		{"192.0.2.5", false, true},
		{"198.18.0.1", false, true},
		{"198.51.100.1", false, true},
		{"203.0.113.9", false, true},
		{"224.0.0.1", false, true},
		{"255.255.255.255", false, true},
		{"169.254.1.1", false, true},
		{"::", false, true},
		{"::1", false, true},
		{"::127.0.0.1", false, true}, // IPv4-compatible
		{"::ffff:127.0.0.1", false, true},
		{"::ffff:93.184.216.34", true, true},
		{"fe80::1", false, true},
		{"fec0::1", false, true},
		{"fc00::1", false, true},
		{"fd12:3456::1", false, true},
		{"ff02::1", false, true},
		{"2001:db8::1", false, true},
		{"3fff::1", false, true},
		{"2002:7f00:1::1", false, true},           // 6to4 of 127.0.0.1
		{"2002:5db8:d822::1", false, true},        // 6to4 of a public address
		{"2001:0:1:2:3:4:80ff:fffe", false, true}, // Teredo of 127.0.0.1
		{"64:ff9b::7f00:1", false, true},
		{"64:ff9b::a00:1", false, true},
		{"64:ff9b:1::1", false, true},
		{"2606:4700::5efe:10.0.0.1", false, true}, // ISATAP
		// Metadata services are never meant by a network.
		{"169.254.169.254", false, false},
		{"169.254.170.2", false, false},
		{"168.63.129.16", false, false},
		{"100.100.100.200", false, false},
		{"192.0.0.192", false, false},
		{"fd00:ec2::254", false, false},
		{"fd20:ce::254", false, false},
		{"::ffff:169.254.169.254", false, false},
		{"::169.254.169.254", false, false},
		{"64:ff9b::a9fe:a9fe", false, false},
		{"64:ff9b:1:a9fe:a9:fe00::", false, false},
		{"2002:a9fe:a9fe::1", false, false},
		{"2606:4700::5efe:169.254.169.254", false, false},
	}
}

func TestAddressesThatNamesMayResolveTo(t *testing.T) {
	t.Parallel()
	e, err := parseURL("https://stock.example/")
	if err != nil {
		t.Fatal(err)
	}
	wide := []string{"stock.example", "0.0.0.0/0", "::/0"}
	for _, tt := range addressTable() {
		addr := netip.MustParseAddr(tt.addr)
		if err := guarded(t, "stock.example").dials(&e, addr, 443); (err == nil) != tt.alone {
			t.Errorf("%s for the name alone: %v", tt.addr, err)
		}
		if err := guarded(t, wide...).dials(&e, addr, 443); (err == nil) != tt.listing {
			t.Errorf("%s with all networks: %v", tt.addr, err)
		}
		if tt.alone {
			continue
		}
		own := guarded(t, "stock.example", "169.254.169.254", tt.addr)
		if err := own.dials(&e, addr, 443); err != nil {
			t.Errorf("%s listed by itself: %v", tt.addr, err)
		}
		if err := own.dials(&e, addr, 444); err == nil {
			t.Errorf("%s is called on a port that is not the URL's", tt.addr)
		}
	}
}

func TestEntriesThatAreMistakes(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"", "http://stock.example", "stock.example/path", "stock.example:0", "stock.example:x", "stock.example:70000",
		"st*ck", "*stock", "*.*", "10.0.0.1/8", "10.0.0.0/33", "::ffff:10.0.0.0/104", "[fd00::", "[fd00::]8",
		"a b", "127.1", "0x7f.1",
	} {
		if err := new(guard).add(entry); err == nil {
			t.Errorf("%q is accepted", entry)
		}
	}
}

func TestPlainHTTPStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	g := guarded(t, "*", "0.0.0.0/0", "::1", "localhost")
	g.insecure = false
	for url, ok := range map[string]bool{
		"http://127.0.0.1/": true, "http://[::1]/": true, "http://localhost/": true, "http://10.0.0.1/": false,
		"http://stock.example/": false, "https://stock.example/": true, "http://localhost.evil.example/": false,
	} {
		e, err := parseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.admits(&e); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "callback.insecure") {
			t.Errorf("%s: %v", url, err)
		}
	}
	e, _ := parseURL("http://localhost/")
	if err := g.dials(&e, netip.MustParseAddr("10.0.0.1"), 80); err == nil {
		t.Error("a name that promised to be this machine, and is not, is called without TLS")
	}
}

// liar is a resolver whose answer changes: the first one is harmless, the others are not.
type liar struct {
	asked  atomic.Int32
	answer func(n int32) netip.Addr
}

// resolver returns one that asks the liar.
func (l *liar) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go l.serve(theirs)
		return ours, nil
	}}
}

// serve answers questions over TCP, RFC 1035: a length, then the message.
func (l *liar) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	for {
		var length [2]byte
		if _, err := readFull(c, length[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := readFull(c, question); err != nil {
			return
		}
		if _, err := c.Write(l.reply(question)); err != nil {
			return
		}
	}
}

func readFull(c net.Conn, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = c.Read(p[n:])
		n += m
	}
	return n, err
}

func (l *liar) reply(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5
	out := append([]byte{0, 0}, question[:end]...)
	out[4], out[5] = 0x81, 0x80                     // an answer, without error
	copy(out[8:14], []byte{0, 0, 0, 0, 0, 0})       // no answers, no additions
	if kind := question[end-3]; kind == 1 /* A */ { // the type is the two bytes before the class
		addr := l.answer(l.asked.Add(1)).As4()
		out[9] = 1
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, addr[:]...)
	}
	binary.BigEndian.PutUint16(out, uint16(len(out)-2))
	return out
}

func TestANameThatChangesItsAddressIsNotFollowed(t *testing.T) {
	t.Parallel()
	var called atomic.Int32
	server := participant(t, func(http.ResponseWriter, *http.Request) { called.Add(1) })
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{answer: func(n int32) netip.Addr {
		if n == 1 {
			return netip.MustParseAddr("127.0.0.1") // listed
		}
		return netip.MustParseAddr("127.0.0.2") // the rebound one, on which the same server would answer
	}}
	f := setup(t, func(o *Options) {
		o.Loopback, o.Insecure, o.Resolver = false, true, l.resolver()
		o.Allow = []string{"rebind.example", "127.0.0.1"}
	})
	cmd := command("http://rebind.example:" + port + "/")
	if r := f.ask(t, cmd); r.Result != txn.ResultDone || called.Load() != 1 {
		t.Fatalf("the first call: %+v, %d calls", r, called.Load())
	}
	f.mu.Lock()
	for _, g := range f.targets { // as if the connection had been closed
		f.discard, g.idle = append(f.discard, g.idle...), nil
	}
	f.mu.Unlock()
	cmd.Attempt = 2
	r := f.ask(t, cmd)
	if r.Result != txn.ResultFailed || !strings.Contains(r.Text, "callback.allow") || called.Load() != 1 {
		t.Errorf("after the name has changed: %+v, %d calls", r, called.Load())
	}
	if n := f.Numbers(); n.Blocked != 1 || l.asked.Load() != 2 {
		t.Errorf("%d blocked, %d questions", n.Blocked, l.asked.Load())
	}
	f.clean()
}

func TestBlockedTargetsAreReportedAndNeverReached(t *testing.T) {
	t.Parallel()
	var called atomic.Int32
	server := participant(t, func(http.ResponseWriter, *http.Request) { called.Add(1) })
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	f := setup(t, func(o *Options) {
		o.Loopback, o.Insecure, o.Allow = false, true, []string{"localhost", "stock.example"}
	})
	for _, url := range []string{
		server.URL, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port,
		"http://169.254.169.254/latest/meta-data",
		"http://2130706433:" + port, "http://0177.0.0.1:" + port, "http://user:pw@localhost:" + port, "file:///etc/passwd",
	} {
		r := f.ask(t, command(url))
		if r.Result != txn.ResultFailed || r.Text == "" {
			t.Errorf("%s: %+v", url, r)
		}
	}
	if called.Load() != 0 {
		t.Errorf("%d calls have reached a target that is not listed", called.Load())
	}
	if n := f.Numbers(); n.Blocked != 8 {
		t.Errorf("%d are counted as blocked", n.Blocked)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var called atomic.Int32
	secret := participant(t, func(http.ResponseWriter, *http.Request) { called.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := participant(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, secret.URL, status) })
		r := setup(t, nil).ask(t, command(server.URL))
		if r.Result != txn.ResultFailed || !strings.Contains(r.Text, "redirects are not followed") {
			t.Errorf("%d: %+v", status, r)
		}
	}
	if called.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// FuzzParseURL compares what is read with what net/http would call.
func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"https://stock.example/confirm?a=b", "http://[::1]:80/", "http://127.0.0.1:8080", "http://0x7f.1/", "http://a@b/",
		"http://a:80:80/", "http://[::ffff:a9fe:a9fe]/", "http://a%2eb/", "https://a/?concord-xid=", "http://a\\b",
	} {
		f.Add(seed)
	}
	g := guarded(f, "stock.example", "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, url string) {
		e, err := parseURL(url)
		if err != nil {
			return
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, nil)
		if err != nil {
			t.Fatalf("%q is accepted here and is no request: %v", url, err)
		}
		host := strings.ToLower(strings.TrimSuffix(req.URL.Hostname(), "."))
		if addr, err := netip.ParseAddr(host); err == nil {
			host = addr.String()
		}
		if e.host != host || req.URL.User != nil || strings.ContainsAny(e.path+e.query+e.authority, " \r\n\t#") {
			t.Fatalf("%q is read as %+v", url, e)
		}
		if g.admits(&e) == nil && e.host != "stock.example" &&
			!netip.MustParsePrefix("10.0.0.0/8").Contains(e.addr.Unmap()) {
			t.Fatalf("%q is admitted", url)
		}
		again, err := parseURL(e.origin + e.path)
		if err != nil || again.origin != e.origin {
			t.Fatalf("%q: its origin %s is read as %s, %v", url, e.origin, again.origin, err)
		}
	})
}

// FuzzEntry has an entry either refused, or never permit a metadata service that it does not name.
func FuzzEntry(f *testing.F) {
	for _, seed := range []string{"*", "*.a:80", "10.0.0.0/8", "[::/0]:443", "0.0.0.0/0", "a.b:1", "::", "[::]"} {
		f.Add(seed)
	}
	meta := netip.MustParseAddr("169.254.169.254")
	e, err := parseURL("https://stock.example/")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		g := new(guard)
		if g.add(entry) != nil || strings.Contains(entry, "169.254.169.254") || strings.Contains(entry, "a9fe") {
			return
		}
		if err := g.dials(&e, meta, 443); err == nil && !strings.Contains(strings.ToLower(entry), "a9fe") {
			t.Fatalf("%q permits %s", entry, meta)
		}
	})
}
