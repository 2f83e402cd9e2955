package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// The cookies of a session. __Host- has browsers take it only over TLS and only for this host; where there is no TLS,
// on loopback, they would not take it at all.
const (
	cookieName      = "__Host-concord"
	cookieNamePlain = "concord"
)

// CSRFHeader carries the session's token against forged requests, which /api/v1/me tells.
const CSRFHeader = "X-CSRF-Token"

// sessionKind is the kind of the documents of sessions.
const sessionKind = "session"

// sessionsListed is how many sessions are shown at most.
const sessionsListed = 10_000

// seenEvery is how coarse the time of a session's last use is.
const seenEvery = time.Minute

// errNoSession says that a session does not count any more.
var errNoSession = errors.New("no such session")

// Session is a browser that somebody has signed in with.
type Session struct {
	// ID names the session for people and in the API; it does not open it.
	ID string `json:"id"`
	// KeyID is the key that was signed in with, "" where the OpenID provider named the person.
	KeyID string `json:"keyId,omitempty"`
	// Subject, Name, Roles, Applications and Groups are what the provider told.
	Subject      string   `json:"subject,omitempty"`
	Name         string   `json:"name"`
	Roles        []string `json:"roles"`
	Applications []string `json:"applications,omitempty"`
	Groups       []string `json:"groups,omitempty"`
	// CSRF is the token against forged requests.
	CSRF string `json:"csrf"`
	// Address and Agent are those that it was begun from.
	Address string     `json:"address"`
	Agent   string     `json:"agent"`
	BeganAt txn.Millis `json:"beganAt"`
	SeenAt  txn.Millis `json:"seenAt"`
	EndsAt  txn.Millis `json:"endsAt"`
	// Hint is the provider's token, sealed with the cookie's secret; the provider wants it back at the end.
	Hint []byte `json:"hint,omitempty"`

	token string // before it is sealed
}

// sessions is the store of sessions. Nothing is remembered here: what another node ends has ended.
type sessions struct {
	documents      orchestrator.Documents
	clock          orchestrator.Clock
	idle, absolute time.Duration
}

// begin stores a session and returns the secret for the cookie.
func (s *sessions) begin(ctx context.Context, x *Session) (secret string, err error) {
	secret = rand.Text() + rand.Text()
	hash := hashOf(secret)
	x.ID, x.CSRF = hash[:16], rand.Text()
	x.Hint = seal(secret, x.token)
	x.BeganAt = s.clock.Now()
	x.SeenAt, x.EndsAt = x.BeganAt, x.BeganAt+millis(s.absolute)
	if err := s.put(ctx, hash, x, 1); err != nil {
		return "", fmt.Errorf("begin a session: %w", err)
	}
	return secret, nil
}

func (s *sessions) put(ctx context.Context, hash string, x *Session, version uint64) error {
	value, err := json.Marshal(x)
	if err != nil {
		return err
	}
	return s.documents.PutDocument(ctx, orchestrator.Document{
		Kind: sessionKind, Key: hash, Version: version, Value: value,
		ExpiresAt: min(x.SeenAt+millis(s.idle+seenEvery), x.EndsAt),
	})
}

// find returns the session that a secret opens; use says that somebody uses it. Errors: errNoSession, faults.
func (s *sessions) find(ctx context.Context, secret string, use bool) (*Session, error) {
	hash := hashOf(secret)
	d, err := s.documents.GetDocument(ctx, sessionKind, hash)
	if errors.Is(err, orchestrator.ErrNoDocument) {
		return nil, errNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("read a session: %w", err)
	}
	x := new(Session)
	if err := json.Unmarshal(d.Value, x); err != nil {
		return nil, fmt.Errorf("read a session: %w", err)
	}
	now := s.clock.Now()
	if now >= x.EndsAt || now >= x.SeenAt+millis(s.idle+seenEvery) {
		return nil, errNoSession
	}
	if use && now-x.SeenAt >= millis(seenEvery) {
		x.SeenAt = now
		// Two requests at once: one of them notes it. A fault shows itself in the request's own work.
		_ = s.put(ctx, hash, x, d.Version+1)
	}
	return x, nil
}

// list returns all sessions.
func (s *sessions) list(ctx context.Context) ([]Session, error) {
	docs, err := listAll(ctx, s.documents, sessionKind, sessionsListed)
	if err != nil {
		return nil, fmt.Errorf("list the sessions: %w", err)
	}
	all := make([]Session, 0, len(docs))
	for _, d := range docs {
		var x Session
		if err := json.Unmarshal(d.Value, &x); err != nil {
			return nil, fmt.Errorf("read a session: %w", err)
		}
		all = append(all, x)
	}
	return all, nil
}

// end ends the session of that id. It reports whether there was one.
func (s *sessions) end(ctx context.Context, id string) (bool, error) {
	if len(id) != 16 {
		return false, nil
	}
	docs, err := s.documents.ListDocuments(ctx, orchestrator.DocumentQuery{Kind: sessionKind, Prefix: id, Limit: 2})
	if err != nil {
		return false, fmt.Errorf("end a session: %w", err)
	}
	for _, d := range docs {
		if err := s.documents.DeleteDocument(ctx, sessionKind, d.Key, 0); err != nil {
			return false, fmt.Errorf("end a session: %w", err)
		}
	}
	return len(docs) > 0, nil
}

// secure reports whether the browser is connected by TLS: with us, or with a proxy before us as configured.
func (g *Gate) secure(r *http.Request) bool { return r.TLS != nil || g.o.BehindTLS }

// cookie chooses between the names of a cookie. One that a neighbouring host or an insecure page could have set does
// not count over TLS.
func (g *Gate) cookie(r *http.Request, name, plain string) string {
	if g.secure(r) {
		return name
	}
	return plain
}

// holdsCookies refuses to give a secret to a browser that would send it over an open network.
func (g *Gate) holdsCookies(r *http.Request) error {
	if g.secure(r) || addressOf(r).IsLoopback() {
		return nil
	}
	return &Refusal{
		Status: http.StatusForbidden, Code: "tlsRequired", Title: "Sessions need TLS.",
		Detail: "Set tls.cert and tls.key, or access.publicURL if a proxy before this server speaks TLS.",
	}
}

// sessionCookie returns the secret in a request's cookie, "" if there is none.
func (g *Gate) sessionCookie(r *http.Request) string {
	c, err := r.Cookie(g.cookie(r, cookieName, cookieNamePlain))
	if err != nil || len(c.Value) > 128 {
		return ""
	}
	return c.Value
}

// newCookie returns a cookie that only this host and no script sees. lifetime 0 ends it.
func (g *Gate) newCookie(r *http.Request, name, value string, lifetime time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, Secure: g.secure(r), SameSite: http.SameSiteLaxMode,
		MaxAge: int(lifetime / time.Second),
	}
	if lifetime == 0 {
		c.MaxAge = -1
	}
	return c
}

// SetSession has the browser keep a session that [Gate.SignIn] has begun; an empty secret has it forget.
func (g *Gate) SetSession(w http.ResponseWriter, r *http.Request, secret string) {
	lifetime := g.o.Absolute
	if secret == "" {
		lifetime = 0
	}
	http.SetCookie(w, g.newCookie(r, g.cookie(r, cookieName, cookieNamePlain), secret, lifetime))
}

// browser judges a session's cookie.
func (g *Gate) browser(r *http.Request, secret string, use bool) (*Principal, error) {
	x, err := g.sessions.find(r.Context(), secret, use)
	var p *Principal
	switch {
	case err != nil:
	case x.KeyID != "":
		p, err = g.byID(r.Context(), x.KeyID)
	default:
		roles, _ := ParseRoles(x.Roles)
		p = &Principal{
			Kind: ByProvider, ID: "oidc:" + x.Subject, Name: x.Name, Roles: roles, Applications: x.Applications,
			Groups: x.Groups,
		}
	}
	if errors.Is(err, errNoSession) {
		return &Principal{}, nil // as if there were no cookie: signing in must stay possible
	}
	if err != nil {
		return nil, err
	}
	p.session = x
	return p, nil
}

// CheckBrowser refuses a changing request of a browser that another site could have made up. r is judged as changing
// something whatever its method.
func (g *Gate) CheckBrowser(r *http.Request, p *Principal) error {
	unsafe := *r
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		unsafe.Method = http.MethodPost
	}
	if g.crossing.Check(&unsafe) != nil {
		return forged("It comes from a page of another site.")
	}
	if p.session == nil {
		return nil
	}
	if !ownPage(r) {
		return forged("It says neither Sec-Fetch-Site nor Origin.")
	}
	token := r.Header.Get(CSRFHeader)
	if subtle.ConstantTimeCompare([]byte(token), []byte(p.session.CSRF)) != 1 {
		return forged("The header " + CSRFHeader + " is not the session's csrfToken, which GET /api/v1/me tells.")
	}
	return nil
}

// ownPage reports whether a browser says that the request comes from a page of this host, or from no page at all. Every
// browser says so in one of both headers.
func ownPage(r *http.Request) bool {
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host != "" && strings.EqualFold(origin.Host, r.Host)
}

// SignIn begins a session for a key. Errors: *[Refusal], faults.
func (g *Gate) SignIn(r *http.Request, token string) (*Principal, string, error) {
	from := addressOf(r)
	if err := g.holdsCookies(r); err != nil {
		return nil, "", err
	}
	if g.configured(token) {
		return nil, "", refused("The configured token is for programs. Make a key with it, and sign in with that.")
	}
	p, key, err := g.key(r.Context(), token, from, ByKeySession)
	if err != nil {
		return nil, "", err
	}
	x := &Session{KeyID: key.ID, Name: key.Name, Roles: key.Roles}
	return g.beginSession(r, p, x)
}

func (g *Gate) beginSession(r *http.Request, p *Principal, x *Session) (*Principal, string, error) {
	x.Address, x.Agent = printable(addressText(addressOf(r)), 64), printable(r.UserAgent(), 200)
	secret, err := g.sessions.begin(r.Context(), x)
	if err != nil {
		return nil, "", err
	}
	p.session = x
	return p, secret, nil
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// printable cuts what a caller told to what can be shown.
func printable(s string, bytesMax int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), bytesMax)]
}

// SignOut ends the principal's own session.
func (g *Gate) SignOut(ctx context.Context, p *Principal) error {
	if p.session == nil {
		return nil
	}
	_, err := g.sessions.end(ctx, p.session.ID)
	return err
}

// Sessions lists the browsers that somebody has signed in with, without their secrets.
func (g *Gate) Sessions(ctx context.Context) ([]Session, error) {
	all, err := g.sessions.list(ctx)
	for i := range all {
		all[i].CSRF, all[i].Hint = "", nil
	}
	return all, err
}

// EndSession ends the session of that id. It reports whether there was one.
func (g *Gate) EndSession(ctx context.Context, id string) (bool, error) {
	return g.sessions.end(ctx, id)
}
