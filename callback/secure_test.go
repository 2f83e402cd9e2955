package callback

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// secured is a participant with TLS, and the authority that its certificate is from.
func secured(t *testing.T, h http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true // which is not used
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, roots
}

func TestParticipantsWithTLS(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	server, roots := secured(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("%s", r.Proto)
		}
		calls.Add(1)
	})
	f := setup(t, func(o *Options) { o.Roots = roots })
	for range 5 {
		if r := f.ask(t, command(server.URL)); r.Result != txn.ResultDone {
			t.Fatalf("%+v", r)
		}
	}
	if n := f.Numbers(); n.Dials != 1 || calls.Load() != 5 {
		t.Errorf("%d connections, %d calls", n.Dials, calls.Load())
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	server, roots := secured(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	stranger := setup(t, nil)
	if r := stranger.ask(t, command(server.URL)); r.Result != txn.ResultUnreachable || !strings.Contains(r.Text, "TLS") {
		t.Errorf("an unknown authority: %+v", r)
	}
	// The certificate is for 127.0.0.1 and example.com, not for localhost.
	f := setup(t, func(o *Options) { o.Roots = roots })
	r := f.ask(t, command(strings.Replace(server.URL, "127.0.0.1", "localhost", 1)))
	if r.Result != txn.ResultUnreachable || !strings.Contains(r.Text, "localhost") {
		t.Errorf("another name: %+v", r)
	}
	if calls.Load() != 0 {
		t.Error("a request was sent before the certificate was verified")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if r := setup(t, func(o *Options) { o.Roots = roots }).ask(t, command(s.URL)); r.Result != txn.ResultUnreachable {
		t.Errorf("%+v", r)
	}
}

// tunnel is a proxy. It passes on what it is asked for, whatever the name, to one server.
func tunnel(t *testing.T, to string) (url string, asked *sync.Map) {
	asked = new(sync.Map)
	url = raw(t, func(_ int32, c net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		asked.Store(req.Method+" "+req.RequestURI, req.Header.Get("Proxy-Authorization"))
		if req.Method != http.MethodConnect {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(c, okay)
			return
		}
		if strings.HasPrefix(req.RequestURI, "forbidden") {
			_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\n\r\n")
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		_, _ = io.WriteString(c, "HTTP/1.1 200 Fine\r\n\r\n")
		go func() {
			_, _ = io.Copy(server, r)
			_ = server.Close()
		}()
		_, _ = io.Copy(c, server)
	})
	return url, asked
}

func TestAProxyMakesTheConnections(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	server, roots := secured(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	url, asked := tunnel(t, server.Listener.Addr().String())
	f := setup(t, func(o *Options) {
		o.Loopback, o.Insecure, o.Roots = false, true, roots
		o.Allow = []string{"example.com", "forbidden.example", "plain.example:81"}
		o.Proxy = strings.Replace(url, "http://", "http://user:word@", 1)
	})
	if r := f.ask(t, command("https://example.com/confirm")); r.Result != txn.ResultDone || calls.Load() != 1 {
		t.Errorf("through a tunnel: %+v, %d calls", r, calls.Load())
	}
	if r := f.ask(t, command("http://plain.example:81/x?y=z")); r.Result != txn.ResultDone {
		t.Errorf("plain: %+v", r)
	}
	if r := f.ask(t, command("https://forbidden.example/")); r.Result != txn.ResultUnreachable ||
		!strings.Contains(r.Text, "proxy has answered 403") {
		t.Errorf("refused by the proxy: %+v", r)
	}
	if r := f.ask(t, command("https://not-listed.example/")); r.Result != txn.ResultFailed {
		t.Errorf("not listed: %+v", r)
	}
	n := 0
	asked.Range(func(key, value any) bool {
		if n++; value != "Basic dXNlcjp3b3Jk" {
			t.Errorf("%s: %v", key, value)
		}
		return true
	})
	if _, found := asked.Load("CONNECT example.com:443"); !found || n != 3 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	url, asked := tunnel(t, "127.0.0.1:1")
	t.Setenv("HTTP_PROXY", url)
	t.Setenv("http_proxy", url)
	f := setup(t, func(o *Options) { o.Allow, o.Insecure = []string{"*.invalid"}, true })
	if r := f.ask(t, command("http://nobody.invalid/")); r.Result != txn.ResultUnreachable {
		t.Errorf("%+v", r)
	}
	asked.Range(func(key, _ any) bool { t.Errorf("the proxy was asked for %v", key); return true })
}

func TestProxiesThatAreMistakes(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"proxy:3128", "https://proxy", "socks5://proxy:1", "http://", "http://proxy/path"} {
		if _, err := New(Options{Proxy: url}); err == nil || !strings.Contains(err.Error(), "callback.proxy") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
