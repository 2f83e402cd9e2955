package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// Seata's clients speak no TLS. Where the port does, something beside them speaks it for them; docs/SECURITY.md.

// sidecar takes connections in the clear and makes them by TLS, as stunnel does. It returns where.
func sidecar(t *testing.T, target string, c *tls.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	group.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { join(near, target, c) })
		}
	})
	return listener.Addr().String()
}

// join carries bytes to and fro until either end has no more.
func join(near net.Conn, target string, c *tls.Config) {
	defer func() { _ = near.Close() }()
	far, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", target, c)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	var group sync.WaitGroup
	for _, way := range [2][2]net.Conn{{near, far}, {far, near}} {
		group.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	group.Wait()
}

// greeting is what a client sends first.
func greeting(t *testing.T) []byte {
	t.Helper()
	frame, err := seata.AppendFrame(nil, seata.Envelope{
		MsgType: seata.RequestSync, Codec: seata.CodecSeata, ID: 1, Version: seata.MakeClientVersion(2, 2, 0),
	}, &seata.RegisterTMRequest{Version: "2.2.0", ApplicationID: "shop", TransactionServiceGroup: "g"})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// silent sends a client's greeting and fails if it is answered.
func silent(t *testing.T, name string, conn net.Conn, err error) {
	t.Helper()
	if err != nil {
		return // refused already
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write(greeting(t)) // it may be closed by now
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	var late net.Error
	// An alert of TLS is no answer of the protocol, whose frames begin with 0xdada.
	if n > 1 && answer[0] == 0xda && answer[1] == 0xda || err == nil && n == 0 || errors.As(err, &late) && late.Timeout() {
		t.Errorf("%s: %x %v", name, answer[:n], err)
	}
}

// actsThrough begins a transaction and rolls it back, its phase two included.
func actsThrough(t *testing.T, address string) {
	t.Helper()
	c := connect(t, address)
	c.answer(seata.BranchCommitted, seata.BranchRollbacked)
	xid := c.begin("buy", "orders:1")
	m, ok := c.ask(&seata.GlobalRollbackRequest{XID: xid}).(*seata.GlobalRollbackResponse)
	if !ok || m.Code != seata.Success || m.Status != seata.GlobalRollbacked || c.commands() == 0 {
		t.Errorf("%+v after %d commands", m, c.commands())
	}
}

func TestClientsWithoutTLSComeThroughASidecar(t *testing.T) {
	t.Parallel()
	cert, key, pool := issue(t, t.TempDir(), "concord")
	s := start(t, t.TempDir(), "--dev", "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", cert, "--tls-seata",
		"require")
	own, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	certs := []tls.Certificate{own}
	actsThrough(t, sidecar(t, s.tc, &tls.Config{RootCAs: pool, Certificates: certs}))

	conn, err := net.Dial("tcp", s.tc)
	silent(t, "no TLS", conn, err)
	bare, err := tls.Dial("tcp", s.tc, &tls.Config{RootCAs: pool})
	silent(t, "no certificate", bare, err)
	otherCert, otherKey, otherPool := issue(t, t.TempDir(), "other")
	other, err := tls.LoadX509KeyPair(otherCert, otherKey)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := tls.Dial("tcp", s.tc, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{other}})
	silent(t, "another authority's certificate", stranger, err)
	if _, err := tls.Dial("tcp", s.tc, &tls.Config{RootCAs: otherPool, Certificates: certs}); err == nil {
		t.Error("a sidecar takes a server that it does not know")
	}
	old := &tls.Config{RootCAs: pool, Certificates: certs, MaxVersion: tls.VersionTLS12}
	if _, err := tls.Dial("tcp", s.tc, old); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
	near, err := net.Dial("tcp", sidecar(t, s.tc, &tls.Config{RootCAs: otherPool}))
	silent(t, "through a sidecar that does not know the server", near, err)

	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certs}, DisableKeepAlives: true,
	}}
	resp, err := client.Get("https://" + s.http + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}
