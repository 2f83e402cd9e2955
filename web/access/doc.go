// Package access says who asks over HTTP and what they may do: API keys for programs, OpenID Connect and sessions for
// people, roles for both, and how much each may ask for.
//
// # Invariants
//
//   - Nobody has a role that was not given: no default password, no role that follows from a network address. The one
//     exception is development mode, in which the server is on loopback.
//   - A secret is shown once, when it is made. What is kept is its SHA-256; it has 130 random bits, so that no slow
//     hash is needed. Secrets are compared in constant time, and are never logged.
//   - What another node revokes counts here within [KeyCacheFor].
//   - A browser's session changes something only with its token against forged requests and from a page of ours.
//   - Every memory of callers has a bound.
//
// # Where to start reading
//
// gate.go decides about one request; role.go has the roles; key.go, session.go and oidc.go are the three ways to come
// in.
package access
