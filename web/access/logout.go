package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"net/http"
	"net/url"
)

// Signing out at the provider, too: OpenID Connect RP-Initiated Logout 1.0. The provider wants to see the token that it
// gave when the person signed in, so that it need not ask who is meant.

// SignedOutPath is where the provider sends people back to who have signed out there.
const SignedOutPath = "/auth/signed-out"

// hintBytesMax bounds a token that is sent along in an address; without it the provider asks who is meant.
const hintBytesMax = 6 << 10

// ProviderLogout returns the address at which a browser ends the person's session at the provider, "" if there is
// nothing to end: no provider, a session of a key, or a provider that knows no such way. It is asked before the session
// is ended here.
func (g *Gate) ProviderLogout(r *http.Request, p *Principal) string {
	if g.o.Provider == nil || p.session == nil || p.session.KeyID != "" {
		return ""
	}
	found, err := g.o.Provider.discover()
	if err != nil || found.endSession == "" {
		return ""
	}
	address, err := url.Parse(found.endSession)
	if err != nil {
		return ""
	}
	q := address.Query()
	q.Set("client_id", g.o.Provider.o.ClientID)
	q.Set("post_logout_redirect_uri", g.o.Provider.o.PublicURL+SignedOutPath)
	if hint := unseal(g.sessionCookie(r), p.session.Hint); hint != "" {
		q.Set("id_token_hint", hint)
	}
	address.RawQuery = q.Encode()
	return address.String()
}

// endSessionOf checks what a provider says of the end of sessions: only a page of the web is an address for a browser.
func endSessionOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return text
}

// seal hides a token from who reads the store, where it could be used until it expires: the key follows from the secret
// in the browser's cookie, of which the store has a hash alone. What is too long is not kept.
func seal(secret, token string) []byte {
	if token == "" || len(token) > hintBytesMax {
		return nil
	}
	return sealer(secret).Seal(nil, nil, []byte(token), nil)
}

// unseal is the reverse of seal, "" if it was sealed with another secret.
func unseal(secret string, sealed []byte) string {
	if len(sealed) == 0 {
		return ""
	}
	token, err := sealer(secret).Open(nil, nil, sealed, nil)
	if err != nil {
		return ""
	}
	return string(token)
}

func sealer(secret string) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "concord: the provider's token of a session", 32)
	if err != nil {
		panic("access: " + err.Error()) // the length is a constant
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("access: " + err.Error()) // and so is this one
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("access: " + err.Error())
	}
	return aead
}
