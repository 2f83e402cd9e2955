package tc

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/internal/certs/certstest"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

// secured is a server that speaks TLS, and what its clients trust.
func secured(t *testing.T) (*fixture, *x509.CertPool) {
	t.Helper()
	cert := certstest.Issue(t, "test", nil, time.Now().Add(time.Hour))
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert.Pair()}}
	return setup(t, func(o *Options) {
		o.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return config, nil }}
		o.Limits.IdleLimit = time.Second
	}), cert.Pool()
}

func (f *fixture) dialTLS(t *testing.T, pool *x509.CertPool) *client {
	t.Helper()
	conn, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn)
}

func TestClientsSpeakTLS(t *testing.T) {
	t.Parallel()
	f, pool := secured(t)
	tm := f.dialTLS(t, pool).tm("1.8.0", "orders")
	a := tm.call(&seata.GlobalBeginRequest{TransactionName: "n"}).(*seata.GlobalBeginResponse)
	if a.Code != seata.Success {
		t.Errorf("%+v", a)
	}
	rm := f.dialTLS(t, pool).rm("1.8.0", "orders", "r")
	if err := f.Send(commit(txn.TCC, "r", rm.id("orders"))); err != nil {
		t.Fatal(err)
	}
	cmd := rm.next()
	rm.sendAs(seata.Response, cmd.Header.ID, &seata.BranchCommitResponse{
		Result: seata.Succeeded(), XID: xid7, BranchID: 8, Status: seata.BranchCommitted,
	})
	if r := f.fake.reply(t); r.Result != txn.ResultDone {
		t.Errorf("%+v", r)
	}
	f.stop() // both are told the end in terms of TLS, and none is cut off
	tm.closed()
	rm.closed()
	if s := f.Stats(); s.Sessions != 0 {
		t.Errorf("%d sessions are left", s.Sessions)
	}
}

func TestWhoSpeaksNoTLSIsLetGo(t *testing.T) {
	t.Parallel()
	f, pool := secured(t)
	for name, first := range map[string]string{
		"nothing": "", "half a hello": "\x16\x03\x01",
		"a frame": "\xda\xda\x01\x00\x00\x00\x10\x00\x10\x03\x01\x00\x00\x00\x00\x01",
	} {
		conn, err := net.Dial("tcp", f.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(first)); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the connection stays", name)
		}
		_ = conn.Close()
	}
	eventually(t, "nobody is left", func() bool { return f.Stats().Sessions == 0 })
	if _, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
	if a := f.dialTLS(t, pool).tm("1.8.0", "orders"); a == nil {
		t.Error("nobody is served after that")
	}
}

func TestAFaultEndsASessionOverTLSAtOnce(t *testing.T) {
	t.Parallel()
	f, pool := secured(t)
	conn, err := tls.Dial("tcp", f.Addr().String(), &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("\xda\xda\x09")); err != nil { // no version of the protocol: the session is killed
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, "the session is gone", func() bool { return f.Stats().Sessions == 0 })
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %s", took)
	}
}
