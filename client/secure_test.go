package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/internal/certs/certstest"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/tc"
)

func TestConnectionsSpeakTLS(t *testing.T) {
	t.Parallel()
	cert := certstest.Issue(t, "test", nil, time.Now().Add(time.Hour))
	s := clienttest.Start(t, func(o *tc.Options, _ *orchestrator.Options) {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert.Pair()}}
	})
	o := quick(s.Addr())
	o.TLS = &tls.Config{RootCAs: cert.Pool()}
	c, l := serve(t, o)
	works(t, c, l)
	s.Restart()
	works(t, c, l)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := client.Open(ctx, client.Options{
		Application: "test", Nodes: client.Static(s.Addr()), TLS: &tls.Config{RootCAs: x509.NewCertPool()},
	})
	var unknown *tls.CertificateVerificationError
	if !errors.As(err, &unknown) || !errors.Is(err, client.ErrNoCoordinator) {
		t.Errorf("a coordinator without a certificate that we trust: %v", err)
	}
}

func TestRegistrationsAreSigned(t *testing.T) {
	t.Parallel()
	s := clienttest.Start(t, func(o *tc.Options, _ *orchestrator.Options) {
		o.Auth, o.Keys = tc.AuthEnforce, map[string]string{"key": "my-secret"}
	})
	o := quick(s.Addr())
	o.AccessKey, o.SecretKey = "key", "my-secret"
	c, l := serve(t, o)
	works(t, c, l)
	s.Restart()
	works(t, c, l)
	for name, change := range map[string]func(*client.Options){
		"no key":       func(o *client.Options) { o.AccessKey, o.SecretKey = "", "" },
		"wrong key":    func(o *client.Options) { o.AccessKey = "other" },
		"wrong secret": func(o *client.Options) { o.SecretKey = "other" },
	} {
		o := o
		change(&o)
		if _, err := client.Open(t.Context(), o); !errors.Is(err, client.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
