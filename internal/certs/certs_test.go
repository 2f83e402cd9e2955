package certs

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/internal/certs/certstest"
)

// rig is a keeper with its files and a listener.
type rig struct {
	*Keeper
	files Files
	ca    *certstest.Issued
	addr  string
	log   *lines
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (r *rig) write(t *testing.T, c *certstest.Issued, key []byte) {
	t.Helper()
	for path, text := range map[string][]byte{r.files.Cert: c.Cert, r.files.Key: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func setup(t *testing.T, mutual bool) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{files: Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}, log: new(lines)}
	r.ca = certstest.Issue(t, "authority", nil, time.Now().Add(time.Hour))
	first := certstest.Issue(t, "first", r.ca, time.Now().Add(30*24*time.Hour))
	r.write(t, first, first.Key)
	if mutual {
		r.files.ClientCA = filepath.Join(dir, "ca")
		if err := os.WriteFile(r.files.ClientCA, r.ca.Cert, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if r.Keeper, err = Open(r.files, slog.New(slog.NewTextHandler(r.log, nil))); err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", r.Config())
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				if _, err := conn.Write([]byte("x")); err == nil {
					_, _ = conn.Read(make([]byte, 1))
				}
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	r.addr = listener.Addr().String()
	return r
}

// shown connects and returns the name in the certificate that the server shows.
func (r *rig) shown(c *tls.Config) (string, error) {
	conn, err := tls.Dial("tcp", r.addr, c)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Read(make([]byte, 1)); err != nil { // a server refuses after the client's handshake
		return "", err
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

func TestANewCertificateIsShownWithoutARestart(t *testing.T) {
	t.Parallel()
	r := setup(t, false)
	trust := &tls.Config{RootCAs: r.ca.Pool()}
	if name, err := r.shown(trust); name != "first" || err != nil {
		t.Fatalf("%s %v", name, err)
	}
	if changed, err := r.Reload(); changed || err != nil {
		t.Errorf("nothing changed: %v %v", changed, err)
	}
	second := certstest.Issue(t, "second", r.ca, time.Now().Add(time.Hour))
	r.write(t, second, second.Key)
	if changed, err := r.Reload(); !changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
	if name, err := r.shown(trust); name != "second" || err != nil {
		t.Errorf("%s %v", name, err)
	}
	if !strings.Contains(r.log.String(), "expires soon") {
		t.Error("nobody is told that the second one expires soon")
	}
}

func TestACertificateThatDoesNotCountReplacesNothing(t *testing.T) {
	t.Parallel()
	r := setup(t, false)
	other := certstest.Issue(t, "other", r.ca, time.Now().Add(time.Hour))
	expired := certstest.Issue(t, "expired", r.ca, time.Now().Add(-time.Minute))
	for name, spoil := range map[string]func(){
		"another's key": func() { r.write(t, other, expired.Key) },
		"expired":       func() { r.write(t, expired, expired.Key) },
		"no PEM":        func() { r.write(t, &certstest.Issued{Cert: []byte("x")}, other.Key) },
		"missing": func() {
			if err := os.Remove(r.files.Cert); err != nil {
				t.Fatal(err)
			}
		},
	} {
		spoil()
		if changed, err := r.Reload(); changed || err == nil {
			t.Errorf("%s: %v %v", name, changed, err)
		}
		if shown, err := r.shown(&tls.Config{RootCAs: r.ca.Pool()}); shown != "first" || err != nil {
			t.Errorf("%s: %s %v", name, shown, err)
		}
	}
	r.write(t, other, other.Key)
	if changed, err := r.Reload(); !changed || err != nil {
		t.Errorf("mended: %v %v", changed, err)
	}
}

func TestNothingOlderThanTLS13(t *testing.T) {
	t.Parallel()
	r := setup(t, false)
	if name, err := r.shown(&tls.Config{RootCAs: r.ca.Pool(), MaxVersion: tls.VersionTLS12}); err == nil {
		t.Errorf("connected to %s", name)
	}
}

func TestClientsShowACertificateWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	r := setup(t, true)
	if name, err := r.shown(&tls.Config{RootCAs: r.ca.Pool()}); err == nil {
		t.Errorf("without one: %s", name)
	}
	foreign := certstest.Issue(t, "foreign", nil, time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair(foreign.Cert, foreign.Key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.shown(&tls.Config{RootCAs: r.ca.Pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (
		*tls.Certificate, error,
	) {
		return &pair, nil
	}})
	if err == nil {
		t.Error("another authority's is taken")
	}
	if name, err := r.shown(r.Client(r.ca.Pool())); name != "first" || err != nil {
		t.Errorf("a node with its own: %s %v", name, err)
	}
}

func TestASignalHasTheFilesReadAtOnce(t *testing.T) {
	t.Parallel()
	r := setup(t, false)
	second := certstest.Issue(t, "second", r.ca, time.Now().Add(time.Hour))
	r.write(t, second, second.Key)
	ctx, stop := context.WithCancel(t.Context())
	signals := make(chan os.Signal)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, signals) }()
	signals <- os.Interrupt
	signals <- os.Interrupt // it is taken when the first one was dealt with
	if name, err := r.shown(&tls.Config{RootCAs: r.ca.Pool()}); name != "second" || err != nil {
		t.Errorf("%s %v", name, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(r.log.String(), "was replaced") {
		t.Error(r.log.String())
	}
}

func TestWrongFilesAreNamedAtTheStart(t *testing.T) {
	t.Parallel()
	if _, err := Open(Files{Cert: "/nowhere/cert", Key: "/nowhere/key"}, nil); err == nil ||
		!strings.Contains(err.Error(), "/nowhere/cert") {
		t.Errorf("%v", err)
	}
}
