//go:build parts

package main

import (
	"net"
	"path/filepath"
	"testing"
)

// TestClientsWithoutTLSComeThroughStunnel: the sidecar that docs/SECURITY.md describes, as users would run it.
func TestClientsWithoutTLSComeThroughStunnel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, args := range [][]string{{"install"}, {"certs", dir}} {
		if err := script(nil, "stunnel", args...); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, t.TempDir(), append([]string{"--dev"}, issuedBy(dir)...)...)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	near := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := script(nil, "stunnel", "stop", dir); err != nil {
			t.Error(err)
		}
	})
	if err := script(nil, "stunnel", "start", dir, near, s.tc); err != nil {
		t.Fatal(err)
	}
	actsThrough(t, near)
	conn, err := net.Dial("tcp", s.tc)
	silent(t, "no TLS", conn, err)
}

// issuedBy are the files that .ci/parts/stunnel.sh makes in a directory.
func issuedBy(dir string) (flags []string) {
	file := func(name string) string { return filepath.Join(dir, name) }
	return []string{
		"--tls-cert", file("server.pem"), "--tls-key", file("server.key"), "--tls-client-ca", file("authority.pem"),
		"--tls-seata", "require",
	}
}
