package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/internal/certs/certstest"
	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/web"
	"github.com/concord-tx/concord/web/access"
)

// tokenForm finds API keys in a text.
var tokenForm = regexp.MustCompile(`concord_[a-z0-9]+_[A-Z2-7]{26}`)

func TestTheFirstStartPrintsATokenOnce(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := start(t, data)
	token := tokenForm.FindString(s.logs())
	if token == "" || strings.Count(s.logs(), token) != 1 {
		t.Fatalf("not one token in\n%s", s.logs())
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/openapi.yaml"} {
		if code, body := s.get(path); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, body := s.get("/api/v1/transactions"); code != 401 {
		t.Errorf("%d %s", code, body)
	}
	if r := s.do("tx", "list"); r.code != exitFailure {
		t.Errorf("%+v", r)
	}
	environ := []string{"CONCORD_SERVER=http://" + s.http, "CONCORD_TOKEN=" + token}
	if r := run(t, environ, "tx", "list"); r.code != exitOK {
		t.Errorf("%+v", r)
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	secret := []byte(token[len(token)-26:])
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), string(secret)) {
			t.Errorf("%s has the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	again := start(t, data)
	if found := tokenForm.FindString(again.logs()); found != "" {
		t.Errorf("a second start prints %s", found)
	}
	environ[0] = "CONCORD_SERVER=http://" + again.http
	if r := run(t, environ, "tx", "list"); r.code != exitOK {
		t.Errorf("after a restart: %+v", r)
	}
}

func TestAConfiguredTokenIsTheWayBackIn(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef"
	data := t.TempDir()
	args := []string{"serve", "--data", data, "--tc", "127.0.0.1:0", "--http", "127.0.0.1:0"}
	s := launch(t, command(t.Context(), []string{"CONCORD_ACCESS_TOKEN=" + token}, args...))
	if strings.Contains(s.logs(), token) || tokenForm.MatchString(s.logs()) {
		t.Errorf("a token is in the log:\n%s", s.logs())
	}
	if r := run(t, []string{"CONCORD_SERVER=http://" + s.http, "CONCORD_TOKEN=" + token}, "locks"); r.code != exitOK {
		t.Errorf("%+v", r)
	}
}

// issue writes a certificate that is its own authority, and its key.
func issue(t *testing.T, dir, name string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	c := certstest.Issue(t, name, nil, time.Now().Add(100*24*time.Hour))
	cert, key = c.Write(t, dir)
	return cert, key, c.Pool()
}

func TestBothPortsSpeakTLSAndFollowTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, pool := issue(t, dir, "first")
	s := start(t, t.TempDir(), "--tls-cert", cert, "--tls-key", key, "--tls-seata", "require")
	shown := func(address string, roots *x509.CertPool) string {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, InsecureSkipVerify: roots == nil})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	for _, address := range []string{s.http, s.tc} {
		if name := shown(address, pool); name != "first" {
			t.Errorf("%s shows %s", address, name)
		}
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true,
	}}
	resp, err := client.Get("https://" + s.http + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	if code, body := s.get("/readyz"); code == 200 {
		t.Errorf("without TLS: %s", body)
	}
	issue(t, dir, "second")
	s.signal(syscall.SIGHUP)
	s.until("certificate was replaced", s.logs)
	for _, address := range []string{s.http, s.tc} {
		if name := shown(address, nil); name != "second" {
			t.Errorf("%s shows %s", address, name)
		}
	}
	if err := os.WriteFile(cert, []byte("spoiled"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.until("the old one is kept", s.logs)
	if name := shown(s.http, nil); name != "second" {
		t.Errorf("%s is shown", name)
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, s.logs())
	}
}

func TestSIGHUPWithoutTLSEndsNothing(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	s.signal(syscall.SIGHUP)
	s.until("nothing is read again", s.logs)
	if code, body := s.get("/healthz"); code != 200 {
		t.Errorf("%d %s", code, body)
	}
}

func TestConfiguredRolesAreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(access.Grantable(), config.AccessRoles()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(web.FourEyesOperations(), config.FourEyes()); diff != "" {
		t.Error(diff)
	}
}

func TestNodesCallEachOtherByTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := issue(t, t.TempDir(), "node")
	n := &node{config: &config.Config{TLS: config.TLS{Cert: cert, Key: key, ClientCA: cert, NodeCA: cert}}}
	n.logger = slog.New(slog.DiscardHandler)
	if err := n.openCerts(); err != nil {
		t.Fatal(err)
	}
	defer signal.Stop(n.hangups)
	var err error
	if n.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}), ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(n.httpListener()) }()
	defer func() { _ = server.Close() }()
	client := n.nodeClient()
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + n.listener.Addr().String()) // the relay knows nothing of TLS
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if name, err := io.ReadAll(resp.Body); string(name) != "node" || err != nil {
		t.Errorf("the other node sees %q, %v", name, err)
	}
	n.nodeRoots = x509.NewCertPool() // trusts nobody
	if resp, err := n.nodeClient().Get("http://" + n.listener.Addr().String()); err == nil {
		_ = resp.Body.Close()
		t.Error("a node that nobody vouches for is called")
	}
	stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	if resp, err := stranger.Get("https://" + n.listener.Addr().String()); err == nil {
		_ = resp.Body.Close()
		t.Error("a client without a certificate is served")
	}
}

func TestASessionAndTheJournalSurviveARestart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := start(t, data)
	token := tokenForm.FindString(s.logs())
	resp, err := http.Post("http://"+s.http+"/auth/session", "application/json", strings.NewReader(`{"key":"`+token+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 || len(resp.Cookies()) != 1 {
		t.Fatalf("%s\n%s", resp.Status, s.logs())
	}
	s.kill()
	again := start(t, data)
	for path, want := range map[string]string{
		"/api/v1/me":             `"kind":"keySession"`,
		"/api/v1/journal/verify": `"whole":true,"entries":2`,
		"/api/v1/journal":        `"action":"signin.begin"`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+again.http+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(resp.Cookies()[0])
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %s %v", path, answer.Status, body, err)
		}
	}
	if strings.Contains(again.logs()+s.logs(), resp.Cookies()[0].Value) {
		t.Error("the cookie is in the log")
	}
}
