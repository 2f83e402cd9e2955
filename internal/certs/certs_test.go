package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// issued is a certificate with its key.
type issued struct {
	cert, key []byte // PEM
	parsed    *x509.Certificate
	private   *ecdsa.PrivateKey
}

// issue makes a certificate for 127.0.0.1, signed by an authority or by itself.
func issue(t *testing.T, name string, by *issued, until time.Time) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true, IsCA: by == nil, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.parsed, by.private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	out := &issued{private: key, cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	if out.parsed, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	out.key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	return out
}

// pool trusts one authority.
func (i *issued) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.parsed)
	return pool
}

// rig is a keeper with its files and a listener.
type rig struct {
	*Keeper
	files Files
	ca    *issued
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

func (r *rig) write(t *testing.T, c *issued, key []byte) {
	t.Helper()
	for path, text := range map[string][]byte{r.files.Cert: c.cert, r.files.Key: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func setup(t *testing.T, mutual bool) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{files: Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}, log: new(lines)}
	r.ca = issue(t, "authority", nil, time.Now().Add(time.Hour))
	first := issue(t, "first", r.ca, time.Now().Add(30*24*time.Hour))
	r.write(t, first, first.key)
	if mutual {
		r.files.ClientCA = filepath.Join(dir, "ca")
		if err := os.WriteFile(r.files.ClientCA, r.ca.cert, 0o600); err != nil {
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
	trust := &tls.Config{RootCAs: r.ca.pool()}
	if name, err := r.shown(trust); name != "first" || err != nil {
		t.Fatalf("%s %v", name, err)
	}
	if changed, err := r.Reload(); changed || err != nil {
		t.Errorf("nothing changed: %v %v", changed, err)
	}
	second := issue(t, "second", r.ca, time.Now().Add(time.Hour))
	r.write(t, second, second.key)
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
	other := issue(t, "other", r.ca, time.Now().Add(time.Hour))
	expired := issue(t, "expired", r.ca, time.Now().Add(-time.Minute))
	for name, spoil := range map[string]func(){
		"another's key": func() { r.write(t, other, expired.key) },
		"expired":       func() { r.write(t, expired, expired.key) },
		"no PEM":        func() { r.write(t, &issued{cert: []byte("x")}, other.key) },
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
		if shown, err := r.shown(&tls.Config{RootCAs: r.ca.pool()}); shown != "first" || err != nil {
			t.Errorf("%s: %s %v", name, shown, err)
		}
	}
	r.write(t, other, other.key)
	if changed, err := r.Reload(); !changed || err != nil {
		t.Errorf("mended: %v %v", changed, err)
	}
}

func TestNothingOlderThanTLS13(t *testing.T) {
	t.Parallel()
	r := setup(t, false)
	if name, err := r.shown(&tls.Config{RootCAs: r.ca.pool(), MaxVersion: tls.VersionTLS12}); err == nil {
		t.Errorf("connected to %s", name)
	}
}

func TestClientsShowACertificateWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	r := setup(t, true)
	if name, err := r.shown(&tls.Config{RootCAs: r.ca.pool()}); err == nil {
		t.Errorf("without one: %s", name)
	}
	foreign := issue(t, "foreign", nil, time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair(foreign.cert, foreign.key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.shown(&tls.Config{RootCAs: r.ca.pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (
		*tls.Certificate, error,
	) {
		return &pair, nil
	}})
	if err == nil {
		t.Error("another authority's is taken")
	}
	if name, err := r.shown(r.Client(r.ca.pool())); name != "first" || err != nil {
		t.Errorf("a node with its own: %s %v", name, err)
	}
}

func TestASignalHasTheFilesReadAtOnce(t *testing.T) {
	t.Parallel()
	r := setup(t, false)
	second := issue(t, "second", r.ca, time.Now().Add(time.Hour))
	r.write(t, second, second.key)
	ctx, stop := context.WithCancel(t.Context())
	signals := make(chan os.Signal)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, signals) }()
	signals <- os.Interrupt
	signals <- os.Interrupt // it is taken when the first one was dealt with
	if name, err := r.shown(&tls.Config{RootCAs: r.ca.pool()}); name != "second" || err != nil {
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
