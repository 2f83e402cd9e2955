package access

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Options are the parts and parameters of a [Gate]. Documents is required.
type Options struct {
	// Documents keeps keys and sessions.
	Documents orchestrator.Documents
	// Clock is the time that expiry is measured against; nil: the machine's.
	Clock orchestrator.Clock
	// Token is a token from the configuration that counts as an admin's key; empty for none. It is for installations
	// that are set up by programs, and the way back in for who has lost all keys.
	Token string
	// Idle and Absolute are how long a browser's session lasts without and with use; 0 means 15 min and 12 h.
	Idle, Absolute time.Duration
	// BehindTLS says that a proxy before this server speaks TLS with browsers.
	BehindTLS bool
	// Provider is the OpenID provider; nil for none.
	Provider *Provider
	Logger   *slog.Logger // nil: discarded
}

// Gate decides who somebody is and how much they may ask for. It may be used concurrently.
type Gate struct {
	o        Options
	keys     *keys
	sessions *sessions
	failures *failures
	tokens   tokenCache
	crossing *http.CrossOriginProtection
}

// New returns a gate.
func New(o Options) *Gate {
	if o.Clock == nil {
		o.Clock = orchestrator.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Idle == 0 {
		o.Idle = 15 * time.Minute
	}
	if o.Absolute == 0 {
		o.Absolute = 12 * time.Hour
	}
	g := &Gate{
		o: o, keys: newKeys(o.Documents, o.Clock), failures: newFailures(), crossing: http.NewCrossOriginProtection(),
		tokens: tokenCache{known: make(map[string]knownToken)},
	}
	g.sessions = &sessions{documents: o.Documents, clock: o.Clock, idle: o.Idle, absolute: o.Absolute}
	return g
}

// Authenticate returns who asks: nobody if there are no credentials at all. Errors: *[Refusal] if there are some that
// do not count, and faults of the store.
func (g *Gate) Authenticate(r *http.Request) (*Principal, error) { return g.authenticate(r, true) }

// Recheck is [Gate.Authenticate] for a request that was let in before and goes on. It does not count as use of a
// browser's session: an open stream keeps nobody signed in.
func (g *Gate) Recheck(r *http.Request) (*Principal, error) { return g.authenticate(r, false) }

func (g *Gate) authenticate(r *http.Request, use bool) (*Principal, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		token = strings.TrimSpace(token)
		if !strings.EqualFold(scheme, "Bearer") || token == "" || len(r.Header.Values("Authorization")) > 1 {
			return nil, refused("The header Authorization is not one \"Bearer TOKEN\".")
		}
		return g.bearer(r.Context(), token, addressOf(r))
	}
	if cookie := g.sessionCookie(r); cookie != "" {
		return g.browser(r, cookie, use)
	}
	return &Principal{}, nil
}

// addressOf returns where a request comes from.
func addressOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// bearer judges a token of a program.
func (g *Gate) bearer(ctx context.Context, token string, from netip.Addr) (*Principal, error) {
	if g.configured(token) {
		return &Principal{Kind: ByKey, ID: "key:" + configuredKeyID, Name: "configured token", Roles: RolesOf(Admin)}, nil
	}
	if strings.HasPrefix(token, TokenPrefix) {
		p, _, err := g.key(ctx, token, from, ByKey)
		return p, err
	}
	if g.o.Provider == nil {
		g.failures.count(from, g.now())
		return nil, refused("It is no key of this server: those begin with " + TokenPrefix + ".")
	}
	return g.token(ctx, token, from)
}

// configured reports whether a token is the one of the configuration.
func (g *Gate) configured(token string) bool {
	return g.o.Token != "" && subtle.ConstantTimeCompare([]byte(hashOf(token)), []byte(hashOf(g.o.Token))) == 1
}

// key judges an API key.
func (g *Gate) key(ctx context.Context, token string, from netip.Addr, kind Kind) (*Principal, *Key, error) {
	id := keyIDOf(token)
	known := g.keys.fresh(id)
	if known == nil || !known.record.matches(token) {
		if wait := g.failures.blocked(from, g.now()); wait > 0 {
			return nil, nil, tooMany("Too many wrong credentials have come from this address.", wait)
		}
	}
	err := errUnknownKey
	if known == nil && id != "" {
		known, err = g.keys.read(ctx, id)
	}
	switch {
	case known != nil && known.record.matches(token) && !known.record.expired(g.o.Clock.Now()):
	case known == nil && !errors.Is(err, errUnknownKey):
		return nil, nil, err
	default:
		g.failures.count(from, g.now())
		return nil, nil, refused("There is no such key, or its time is over.")
	}
	g.keys.used(ctx, known)
	p := known.record.principal(kind)
	p.rates = g.keys.ratesOf(&known.record.Key)
	return p, &known.record.Key, nil
}

// byID returns the principal of a key that somebody has signed in with, as it is now.
func (g *Gate) byID(ctx context.Context, id string) (*Principal, error) {
	known := g.keys.fresh(id)
	if known == nil {
		var err error
		if known, err = g.keys.read(ctx, id); err != nil {
			if errors.Is(err, errUnknownKey) {
				return nil, errNoSession
			}
			return nil, err
		}
	}
	if known.record.expired(g.o.Clock.Now()) {
		return nil, errNoSession
	}
	p := known.record.principal(ByKeySession)
	p.rates = g.keys.ratesOf(&known.record.Key)
	return p, nil
}

// Stands reports whether somebody, by their [Principal.ID], would still be let in with a role, as far as that is known
// here: a key may have been revoked or have expired; of the provider's people nothing is known between their visits.
func (g *Gate) Stands(ctx context.Context, id string, role Role) (bool, error) {
	key, found := strings.CutPrefix(id, "key:")
	if !found {
		return true, nil
	}
	if key == configuredKeyID {
		return g.o.Token != "", nil
	}
	p, err := g.byID(ctx, key)
	if errors.Is(err, errNoSession) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return p.Roles.Has(role), nil
}

// configuredKeyID is what the token of the configuration is called. No key that is made has a name of that length.
const configuredKeyID = "configured"

// now is the clock's time for limiters.
func (g *Gate) now() time.Time { return time.UnixMilli(int64(g.o.Clock.Now())) }

// Allow takes one request from what a principal may ask for. The error is a *[Refusal].
func (g *Gate) Allow(p *Principal) error {
	if p.rates == nil {
		return nil
	}
	if after := take(p.rates.requests, g.now()); after > 0 {
		return tooMany("The requests per second of your key are used up, on this node.", after)
	}
	return nil
}

// AllowBegin takes one begin from what a principal may ask for; settle is called with the id of the transaction that
// was begun, 0 if none was. ended tells whether a transaction has ended. The error is a *[Refusal].
func (g *Gate) AllowBegin(p *Principal, ended func(id int64) bool) (settle func(id int64), err error) {
	settle = func(int64) {}
	if p.rates == nil {
		return settle, nil
	}
	if after := take(p.rates.begins, g.now()); after > 0 {
		return settle, tooMany("The begins per second of your key are used up, on this node.", after)
	}
	if p.rates.live == nil {
		return settle, nil
	}
	if !p.rates.live.reserve(g.now(), ended) {
		return settle, tooMany("As many transactions as your key may have on this node are live.", pruneEvery)
	}
	return p.rates.live.settle, nil
}

// millis is a duration in the unit of the clock.
func millis(d time.Duration) txn.Millis { return txn.Millis(d.Milliseconds()) }
