package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/concord-tx/concord/internal/certs"
	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/web"
	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/journal"
)

// openCerts reads the certificate, if there is one. From now on SIGHUP has it read again; without one it does nothing,
// least of all end the process.
func (n *node) openCerts() (err error) {
	n.hangups = make(chan os.Signal, 1)
	signal.Notify(n.hangups, syscall.SIGHUP)
	t := &n.config.TLS
	if t.Cert == "" {
		return nil
	}
	if n.certs, err = certs.Open(certs.Files{Cert: t.Cert, Key: t.Key, ClientCA: t.ClientCA}, n.logger); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	if t.NodeCA == "" {
		return nil
	}
	pem, err := os.ReadFile(t.NodeCA)
	if err != nil {
		return fmt.Errorf("tls.nodeCA: %w", err)
	}
	if n.nodeRoots = x509.NewCertPool(); !n.nodeRoots.AppendCertsFromPEM(pem) {
		return errors.New("tls.nodeCA: " + t.NodeCA + " has no certificate in PEM form")
	}
	return nil
}

// seataTLS is what the port for Seata clients speaks, nil for plain TCP.
func (n *node) seataTLS() *tls.Config {
	if n.certs == nil || n.config.TLS.Seata != "require" {
		return nil
	}
	return n.certs.Config()
}

// httpListener is the bound address of the API, with TLS where there is a certificate.
func (n *node) httpListener() net.Listener {
	if n.certs == nil {
		return n.listener
	}
	return tls.NewListener(n.listener, n.certs.Config())
}

// nodeClient makes the calls to other nodes where the HTTP port speaks TLS; nil: one that speaks none will do.
func (n *node) nodeClient() *http.Client {
	if n.certs == nil {
		return nil
	}
	const dialLimit, idleLimit, headerBytesMax = 2 * time.Second, 30 * time.Second, 16 << 10
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: dialLimit, KeepAlive: 15 * time.Second}, Config: n.certs.Client(n.nodeRoots),
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				ctx, cancel := context.WithTimeout(ctx, dialLimit)
				defer cancel()
				return dialer.DialContext(ctx, network, address)
			},
			MaxIdleConnsPerHost: 2, IdleConnTimeout: idleLimit, DisableCompression: true,
			MaxResponseHeaderBytes: headerBytesMax,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// followCerts follows the files of the certificate until ctx ends.
func (n *node) followCerts(ctx context.Context) error {
	if n.certs != nil {
		return n.certs.Run(ctx, n.hangups)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.hangups:
			n.logger.Info("nothing is read again on SIGHUP without tls.cert")
		}
	}
}

// openAccess sets up who may use the API, and what they did. Where nobody could, a first token is made and written to
// w.
func (n *node) openAccess(ctx context.Context, w io.Writer) error {
	documents, clock := n.engine.documents()
	n.journal = journal.New(journal.Options{
		Documents: documents, Clock: clock, Node: n.advertise, Logger: n.logger,
	})
	if n.config.Dev {
		return nil
	}
	a := &n.config.Access
	o := access.Options{
		Documents: documents, Clock: clock, Token: a.Token, Idle: a.Idle, Absolute: a.Absolute, BehindTLS: a.BehindTLS(),
		Logger: n.logger,
	}
	if a.OIDCIssuer != "" {
		provider, err := providerOptions(a)
		if err != nil {
			return err
		}
		provider.Clock, provider.Logger = clock, n.logger
		o.Provider = access.NewProvider(provider)
	}
	n.access = access.New(o)
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	token, err := n.access.FirstKey(ctx)
	if err != nil {
		return fmt.Errorf("make the first key: %w", err)
	}
	if token == "" {
		return nil
	}
	if err := printFirstToken(w, token); err != nil {
		return err
	}
	err = n.journal.Record(ctx, &journal.Entry{
		Who: "concord", Action: "key.create", Target: access.FirstKeyID, Phase: journal.Fact,
		Why: "no admin's key, no provider, and no configured token",
	})
	if err != nil {
		return fmt.Errorf("the first key is made, but: %w", err)
	}
	return nil
}

func providerOptions(a *config.Access) (access.ProviderOptions, error) {
	o := access.ProviderOptions{
		Issuer: a.OIDCIssuer, ClientID: a.OIDCClient, ClientSecret: a.OIDCSecret, PublicURL: a.PublicURL,
		Scopes: a.OIDCScopes, Audience: a.OIDCAudience, RolesClaim: a.OIDCRolesClaim, Roles: map[string]access.Roles{},
	}
	for value, names := range a.RoleNames() {
		roles, err := access.ParseRoles(names)
		if err != nil {
			return o, fmt.Errorf("access.oidcRoles: %w", err)
		}
		o.Roles[value] = roles
	}
	return o, nil
}

// printFirstToken shows the token so that nobody overlooks it. It is shown this once, and is in no log.
func printFirstToken(w io.Writer, token string) error {
	const frame = "========================================================================"
	_, err := fmt.Fprintf(w, `
%s
  There is no key yet, so one was made for an admin. It is shown this once:

    %s

  Send it as "Authorization: Bearer ...", or name it in CONCORD_TOKEN for the
  commands. Make keys of your own with it, then revoke it:
  docs/SECURITY.md, "The first start".
%s

`, frame, token, frame)
	return err
}

// webAccess adds who may use the API.
func (n *node) webAccess(o *web.Options) {
	o.Access, o.Journal, o.MetricsOpen = n.access, n.journal, n.config.Access.MetricsOpen
	o.FourEyes, o.Mask = n.config.Access.FourEyes, n.config.Access.Mask
	o.Documents, _ = n.engine.documents()
}
