package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Files name where certificates are, in PEM form.
type Files struct {
	// Cert is the certificate with those between it and the authority, Key its private key.
	Cert, Key string
	// ClientCA has the authorities whose certificates clients have to show; empty asks for none.
	ClientCA string
}

// PollEvery is how often the files are looked at.
const PollEvery = 10 * time.Second

// expiresSoon is when the end of a certificate is worth a warning.
const expiresSoon = 14 * 24 * time.Hour

// Keeper keeps a certificate. It may be used concurrently.
type Keeper struct {
	files  Files
	logger *slog.Logger
	now    func() time.Time
	config atomic.Pointer[tls.Config]

	mu   sync.Mutex // one reload at a time
	seen [3][]byte  // what was read last, good or bad
}

// Open reads the files. Errors say which file is wrong, and how.
func Open(files Files, logger *slog.Logger) (*Keeper, error) {
	k := &Keeper{files: files, logger: logger, now: time.Now}
	if k.logger == nil {
		k.logger = slog.New(slog.DiscardHandler)
	}
	seen, err := k.read()
	if err != nil {
		return nil, err
	}
	config, left, err := k.parse(seen)
	if err != nil {
		return nil, err
	}
	if left <= 0 {
		k.logger.Error("certificate is expired, clients will refuse it", "file", files.Cert)
	}
	k.seen = seen
	k.config.Store(config)
	return k, nil
}

// read returns the contents of the files.
func (k *Keeper) read() (seen [3][]byte, err error) {
	for i, path := range []string{k.files.Cert, k.files.Key, k.files.ClientCA} {
		if path == "" {
			continue
		}
		if seen[i], err = os.ReadFile(path); err != nil {
			return seen, fmt.Errorf("read a certificate: %w", err)
		}
	}
	return seen, nil
}

// parse makes a configuration, and says how long its certificate counts yet.
func (k *Keeper) parse(seen [3][]byte) (*tls.Config, time.Duration, error) {
	pair, err := tls.X509KeyPair(seen[0], seen[1])
	if err != nil {
		return nil, 0, fmt.Errorf("certificate %s with key %s: %w", k.files.Cert, k.files.Key, err)
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		NextProtos: []string{"http/1.1"}, // counts only for clients that ask; HTTP/2 would need limits of its own
	}
	if k.files.ClientCA != "" {
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !c.ClientCAs.AppendCertsFromPEM(seen[2]) {
			return nil, 0, fmt.Errorf("certificates of authorities %s: there is none in PEM form", k.files.ClientCA)
		}
	}
	left := pair.Leaf.NotAfter.Sub(k.now())
	if left > 0 && left < expiresSoon {
		k.logger.Warn("certificate expires soon", "file", k.files.Cert, "at", pair.Leaf.NotAfter)
	}
	return c, left, nil
}

// Config returns a configuration for a server, which shows the certificate of the day to each new connection.
func (k *Keeper) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.config.Load(), nil },
	}
}

// Client returns a configuration for connections to servers like this one, which shows the certificate of the day.
// roots are trusted; nil trusts the machine's.
func (k *Keeper) Client(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &k.config.Load().Certificates[0], nil
		},
	}
}

// errExpired says that a new certificate's time is over.
var errExpired = errors.New("it is expired")

// Reload reads the files again, and reports whether what they hold counts from now on. The error says why what is new
// does not count; what counted before goes on to.
func (k *Keeper) Reload() (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen, err := k.read()
	if err != nil {
		return false, err
	}
	if bytes.Equal(seen[0], k.seen[0]) && bytes.Equal(seen[1], k.seen[1]) && bytes.Equal(seen[2], k.seen[2]) {
		return false, nil
	}
	k.seen = seen
	config, left, err := k.parse(seen)
	if err != nil {
		return false, err
	}
	if left <= 0 {
		return false, fmt.Errorf("certificate %s: %w", k.files.Cert, errExpired)
	}
	k.config.Store(config)
	return true, nil
}

// Run follows the files until ctx ends; a value on now has it look at once. It returns nil.
func (k *Keeper) Run(ctx context.Context, now <-chan os.Signal) error {
	ticker := time.NewTicker(PollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-now:
		case <-ticker.C:
		}
		switch changed, err := k.Reload(); {
		case err != nil:
			k.logger.Error("new certificate does not count, the old one is kept", "err", err)
		case changed:
			k.logger.Info("certificate was replaced", "file", k.files.Cert)
		}
	}
}
