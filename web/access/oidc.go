package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// ProviderOptions say how people are known by an OpenID provider. Issuer, ClientID, PublicURL and Roles are required.
type ProviderOptions struct {
	// Issuer is the provider's URL as its tokens name it.
	Issuer string
	// ClientID and ClientSecret are what the provider knows this server by. A public client has no secret.
	ClientID, ClientSecret string
	// PublicURL is where browsers reach this server; the provider sends them back to PublicURL + CallbackPath.
	PublicURL string
	// Scopes are asked for besides openid.
	Scopes []string
	// Audience is what tokens of programs have to be for; empty takes none.
	Audience string
	// RolesClaim is the claim whose values give roles, by Roles; the value "*" is had by everybody whom the provider
	// names. Dots lead into nested claims.
	RolesClaim string
	Roles      map[string]Roles
	// Clock is the time that expiry is measured against; nil: the machine's.
	Clock orchestrator.Clock
	// Transport is used to reach the provider; nil: http.DefaultTransport.
	Transport http.RoundTripper
	Logger    *slog.Logger // nil: discarded
}

// Provider is an OpenID provider. It is asked what it is when it is needed first, so that it may be away at the start.
type Provider struct {
	o      ProviderOptions
	client *http.Client

	asking    singleflight.Group
	mu        sync.Mutex
	found     *discovered
	failedAt  time.Time
	failedFor error
}

// discovered is what the provider said of itself.
type discovered struct {
	config   oauth2.Config
	people   *oidc.IDTokenVerifier
	programs *oidc.IDTokenVerifier // nil: no tokens of programs
	// endSession is where browsers end the session there, "" if nowhere.
	endSession string
}

// CallbackPath is where the provider sends people back to.
const CallbackPath = "/auth/callback"

const (
	providerLimit     = 10 * time.Second // of one request to the provider
	providerPause     = 5 * time.Second  // after one that failed
	providerBytesMax  = 1 << 20          // of its answers
	loginKept         = 10 * time.Minute // how long a person may take to sign in
	tokenCacheFor     = time.Minute
	tokensKnownMax    = 1024
	tokenBytesMax     = 16 << 10
	loginCookie       = "__Host-concord-login"
	loginCookiePlain  = "concord-login"
	returnBytesMax    = 1024
	subjectBytesMax   = 255
	claimValuesMax    = 1000
	everybody         = "*"
	providerAwayTitle = "The OpenID provider does not answer."
)

// NewProvider returns a provider. Nothing is asked of it yet.
func NewProvider(o ProviderOptions) *Provider {
	if o.Clock == nil {
		o.Clock = orchestrator.SystemClock{}
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	return &Provider{o: o, client: &http.Client{
		Transport: bounded{o.Transport}, Timeout: providerLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// bounded cuts answers that are too long.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, providerBytesMax), resp.Body}
	}
	return resp, err
}

// discover returns what the provider said of itself, and asks if that is not known yet. Those who come meanwhile wait.
func (p *Provider) discover() (*discovered, error) {
	p.mu.Lock()
	found, failed, at := p.found, p.failedFor, p.failedAt
	p.mu.Unlock()
	if found != nil {
		return found, nil
	}
	if failed != nil && time.Since(at) < providerPause {
		return nil, failed
	}
	answer, err, _ := p.asking.Do("", func() (any, error) {
		found, err := p.ask()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.found, p.failedFor, p.failedAt = found, err, time.Now()
		return found, err
	})
	if err != nil {
		return nil, err
	}
	return answer.(*discovered), nil
}

// ask asks the provider what it is.
func (p *Provider) ask() (*discovered, error) {
	// The keys are fetched with this context later on, so it must not end with a request.
	ctx := oidc.ClientContext(context.Background(), p.client)
	provider, err := oidc.NewProvider(ctx, p.o.Issuer)
	if err != nil {
		p.o.Logger.Warn("provider does not say what it is", "issuer", p.o.Issuer, "err", err)
		return nil, &Refusal{
			Status: http.StatusServiceUnavailable, Code: "providerAway", Title: providerAwayTitle,
			Detail: "Its description could not be read.", RetryAfter: providerPause,
		}
	}
	now := func() time.Time { return time.UnixMilli(int64(p.o.Clock.Now())) }
	found := &discovered{
		config: oauth2.Config{
			ClientID: p.o.ClientID, ClientSecret: p.o.ClientSecret, Endpoint: provider.Endpoint(),
			RedirectURL: p.o.PublicURL + CallbackPath, Scopes: append([]string{oidc.ScopeOpenID}, p.o.Scopes...),
		},
		people: provider.VerifierContext(ctx, &oidc.Config{ClientID: p.o.ClientID, Now: now}),
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err == nil {
		found.endSession = endSessionOf(more.EndSession)
	}
	if p.o.Audience != "" {
		found.programs = provider.VerifierContext(ctx, &oidc.Config{ClientID: p.o.Audience, Now: now})
	}
	return found, nil
}

// login is what the browser keeps while the person is at the provider. It binds the answer to this browser.
type login struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	To       string `json:"to"`
}

// noProvider refuses where no provider is configured.
func noProvider() *Refusal {
	return &Refusal{
		Status: http.StatusNotFound, Code: "providerMissing", Title: "No OpenID provider is configured.",
		Detail: "Sign in with an API key: POST /auth/session.",
	}
}

// Begin sends a browser to the provider; to is the page to come back to. It returns the address. Errors: *[Refusal].
func (g *Gate) Begin(w http.ResponseWriter, r *http.Request, to string) (string, error) {
	if g.o.Provider == nil {
		return "", noProvider()
	}
	if err := g.holdsCookies(r); err != nil {
		return "", err
	}
	found, err := g.o.Provider.discover()
	if err != nil {
		return "", err
	}
	l := login{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: localPath(to)}
	raw, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	value := base64.RawURLEncoding.EncodeToString(raw)
	http.SetCookie(w, g.newCookie(r, g.cookie(r, loginCookie, loginCookiePlain), value, loginKept))
	return found.config.AuthCodeURL(l.State, oauth2.S256ChallengeOption(l.Verifier), oidc.Nonce(l.Nonce)), nil
}

// localPath returns a path on this server, "/" for anything else: a link must not send people elsewhere after they have
// signed in here.
func localPath(to string) string {
	bad := len(to) > returnBytesMax || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' })
	if bad {
		return "/"
	}
	return to
}

// Finish takes a browser back from the provider and begins a session. It returns who it is, the secret for the cookie
// and the page to go to. Errors: *[Refusal], faults.
func (g *Gate) Finish(w http.ResponseWriter, r *http.Request) (p *Principal, secret, to string, err error) {
	if g.o.Provider == nil {
		return nil, "", "", noProvider()
	}
	from := addressOf(r)
	if wait := g.failures.blocked(from, g.now()); wait > 0 {
		return nil, "", "", tooMany("Too many wrong credentials have come from this address.", wait)
	}
	var token string
	l, err := g.takeLogin(w, r)
	if err == nil {
		p, token, err = g.o.Provider.person(r, l)
	}
	if err != nil {
		var refusal *Refusal
		if errors.As(err, &refusal) && refusal.Status < http.StatusInternalServerError {
			g.failures.count(from, g.now())
		}
		return p, "", "", err
	}
	x := &Session{Subject: strings.TrimPrefix(p.ID, "oidc:"), Name: p.Name, Roles: p.Roles.Names(), token: token}
	p, secret, err = g.beginSession(r, p, x)
	return p, secret, l.To, err
}

// takeLogin reads what the browser kept, once.
func (g *Gate) takeLogin(w http.ResponseWriter, r *http.Request) (l login, err error) {
	name := g.cookie(r, loginCookie, loginCookiePlain)
	stale := refused("Signing in was begun in another browser, or too long ago. Begin again at /auth/login.")
	c, err := r.Cookie(name)
	if err != nil {
		return l, stale
	}
	http.SetCookie(w, g.newCookie(r, name, "", 0))
	raw, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || json.Unmarshal(raw, &l) != nil || l.State == "" || l.Nonce == "" || l.Verifier == "" {
		return l, stale
	}
	state := r.URL.Query().Get("state")
	if subtle.ConstantTimeCompare([]byte(state), []byte(l.State)) != 1 {
		return l, stale
	}
	l.To = localPath(l.To)
	return l, nil
}

// person exchanges the code for a token that says who it is, which is returned as well.
func (p *Provider) person(r *http.Request, l login) (*Principal, string, error) {
	q := r.URL.Query()
	if code := q.Get("error"); code != "" {
		return nil, "", refused("The provider says " + printable(code, 64) + ".")
	}
	if issuer := q.Get("iss"); issuer != "" && issuer != p.o.Issuer { // RFC 9207
		return nil, "", refused("The answer is another provider's.")
	}
	found, err := p.discover()
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), p.client), providerLimit)
	defer cancel()
	answer, err := found.config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(l.Verifier))
	if err != nil {
		var denied *oauth2.RetrieveError
		if errors.As(err, &denied) && denied.Response.StatusCode < http.StatusInternalServerError {
			p.o.Logger.Warn("provider does not take a code", "status", denied.Response.StatusCode, "code", denied.ErrorCode)
			return nil, "", refused("The provider does not take the code.")
		}
		p.o.Logger.Warn("code could not be exchanged at the provider", "err", err)
		return nil, "", &Refusal{
			Status: http.StatusServiceUnavailable, Code: "providerAway", Title: providerAwayTitle,
			Detail: "The code could not be exchanged.", RetryAfter: providerPause,
		}
	}
	raw, _ := answer.Extra("id_token").(string)
	token, err := found.people.Verify(ctx, raw)
	if err != nil {
		p.o.Logger.Warn("token of the provider does not count", "err", err)
		return nil, "", refused("The provider's token does not count.")
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(l.Nonce)) != 1 {
		return nil, "", refused("The provider's token was not made for this attempt.")
	}
	who, err := p.principal(token, ByProvider)
	return who, raw, err
}

// principal reads who a token is about.
func (p *Provider) principal(token *oidc.IDToken, kind Kind) (*Principal, error) {
	var claims map[string]any
	if err := token.Claims(&claims); err != nil || token.Subject == "" || len(token.Subject) > subjectBytesMax {
		return nil, refused("The provider's token does not count.")
	}
	name := token.Subject
	for _, claim := range []string{"preferred_username", "email", "name", "client_id", "azp"} {
		if text, ok := claims[claim].(string); ok && printable(text, nameBytesMax) != "" {
			name = printable(text, nameBytesMax)
			break
		}
	}
	who := &Principal{Kind: kind, ID: "oidc:" + printable(token.Subject, subjectBytesMax), Name: name}
	who.Roles = p.o.Roles[everybody]
	for i, value := range valuesOf(claims, p.o.RolesClaim) {
		if i == claimValuesMax {
			break
		}
		if value != everybody {
			who.Roles |= p.o.Roles[value]
		}
	}
	if who.Roles == 0 {
		return who, &Refusal{
			Status: http.StatusForbidden, Code: "roleMissing", Title: "This needs a role that you do not have.",
			Detail: "The provider knows you, but nothing in the claim " + p.o.RolesClaim + " gives a role here.",
		}
	}
	return who, nil
}

// valuesOf returns the texts of a claim, which is a text, several in one text, or a list. A dot leads into an object,
// where there is no claim of the whole name.
func valuesOf(claims map[string]any, path string) []string {
	value, found := claims[path]
	if !found {
		head, rest, nested := strings.Cut(path, ".")
		if inner, ok := claims[head].(map[string]any); ok && nested {
			return valuesOf(inner, rest)
		}
		return nil
	}
	switch x := value.(type) {
	case string:
		return strings.Fields(x)
	case []any:
		var out []string
		for _, item := range x {
			if text, ok := item.(string); ok {
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}

// knownToken is a token of a program that was found to be right.
type knownToken struct {
	principal *Principal
	until     txn.Millis
}

// tokenCache remembers such tokens by their hashes for a short while.
type tokenCache struct {
	mu    sync.Mutex
	known map[string]knownToken
}

func (t *tokenCache) get(hash string, now txn.Millis) *Principal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.known[hash]; now < k.until {
		return k.principal
	}
	return nil
}

func (t *tokenCache) put(hash string, k knownToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= tokensKnownMax {
		clear(t.known)
	}
	t.known[hash] = k
}

// token judges a token of a program.
func (g *Gate) token(ctx context.Context, raw string, from netip.Addr) (*Principal, error) {
	wrong := refused("The token does not count: it is expired, not for this server, or not the provider's.")
	now := g.o.Clock.Now()
	if len(raw) > tokenBytesMax {
		return nil, wrong
	}
	hash := hashOf(raw)
	if p := g.tokens.get(hash, now); p != nil {
		return p, nil
	}
	if wait := g.failures.blocked(from, g.now()); wait > 0 {
		return nil, tooMany("Too many wrong credentials have come from this address.", wait)
	}
	p := g.o.Provider
	if p.o.Audience == "" {
		g.failures.count(from, g.now())
		return nil, wrong
	}
	found, err := p.discover()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, providerLimit)
	defer cancel()
	token, err := found.programs.Verify(ctx, raw)
	if err != nil {
		g.failures.count(from, g.now())
		g.o.Logger.InfoContext(ctx, "token of a program does not count", "from", addressText(from), "err", err)
		return nil, wrong
	}
	who, err := p.principal(token, ByToken)
	if err != nil {
		return nil, err
	}
	g.tokens.put(hash, knownToken{who, min(now+millis(tokenCacheFor), txn.Millis(token.Expiry.UnixMilli()))})
	return who, nil
}

// HasProvider reports whether people can sign in at an OpenID provider.
func (g *Gate) HasProvider() bool { return g.o.Provider != nil }
