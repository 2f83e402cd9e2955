package webtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Provider is a small OpenID provider with one client, "concord" with the secret "provider-secret", at which everybody
// is signed in already.
type Provider struct {
	*httptest.Server
	t   *testing.T
	key *rsa.PrivateKey

	mu     sync.Mutex
	codes  map[string]url.Values // what was asked for, by code
	claims map[string]any        // added to each token
	nonce  string                // instead of the right one
	away   bool
	noEnd  bool // it does not say where sessions end
	asked  int
}

// NewProvider starts a provider. now is the time that its tokens are made at.
func NewProvider(t *testing.T, now func() time.Time) *Provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{t: t, key: key, codes: make(map[string]url.Values), claims: map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		if p.away {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		end := p.URL + "/logout"
		if p.noEnd {
			end = "javascript:alert(1)"
		}
		p.json(w, map[string]any{
			"end_session_endpoint": end,
			"issuer":               p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"},
		}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) { p.token(w, r, now()) })
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *Provider) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

// SetClaims adds claims to the tokens that follow.
func (p *Provider) SetClaims(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = maps.Clone(claims)
}

// SetNonce has the tokens that follow carry a nonce of its own; "" is the right one.
func (p *Provider) SetNonce(nonce string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nonce = nonce
}

// SetAway has the provider answer no question about itself.
func (p *Provider) SetAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// HideLogout has the provider name an address for the end of sessions that is none.
func (p *Provider) HideLogout() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noEnd = true
}

// Asked is how often the provider was asked about itself.
func (p *Provider) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// authorize sends the browser back at once, with a code.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != "concord" || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// token exchanges a code, once, for who shows the verifier.
func (p *Provider) token(w http.ResponseWriter, r *http.Request, now time.Time) {
	id, secret, _ := r.BasicAuth()
	code := r.PostFormValue("code")
	p.mu.Lock()
	asked, found := p.codes[code]
	delete(p.codes, code)
	claims := maps.Clone(p.claims)
	nonce := asked.Get("nonce")
	if p.nonce != "" {
		nonce = p.nonce
	}
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	proven := base64.RawURLEncoding.EncodeToString(sum[:]) == asked.Get("code_challenge")
	if !found || !proven || id != "concord" || secret != "provider-secret" ||
		r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		p.json(w, map[string]string{"error": "invalid_grant"})
		return
	}
	claims["nonce"] = nonce
	p.json(w, map[string]any{
		"access_token": "opaque", "token_type": "Bearer", "id_token": p.Sign("concord", now, claims),
	})
}

// Sign makes a token for an audience that counts for an hour.
func (p *Provider) Sign(audience string, now time.Time, more map[string]any) string {
	p.t.Helper()
	claims := map[string]any{
		"iss": p.URL, "sub": "subject-1", "aud": audience, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, more)
	return p.sign(p.key, claims)
}

// Forge makes a token that says the same, with a key that is not the provider's.
func (p *Provider) Forge(audience string, now time.Time, more map[string]any) string {
	p.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.t.Fatal(err)
	}
	claims := map[string]any{
		"iss": p.URL, "sub": "subject-1", "aud": audience, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, more)
	return p.sign(key, claims)
}

func (p *Provider) sign(key *rsa.PrivateKey, claims map[string]any) string {
	p.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "1"},
	}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := signer.Sign(raw)
	if err != nil {
		p.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}
