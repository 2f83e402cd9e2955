package access

import (
	"context"
	"slices"
)

// Kind is the way in which somebody came in.
type Kind uint8

// The kinds. Nobody is the zero value.
const (
	Nobody Kind = iota
	// ByKey is a program with an API key.
	ByKey
	// ByToken is a program with a token of the OpenID provider.
	ByToken
	// ByProvider is a person in a browser, whom the OpenID provider has named.
	ByProvider
	// ByKeySession is a person in a browser who has signed in with an API key.
	ByKeySession
	// Developer is whoever reaches a server in development mode.
	Developer
)

// String returns the name in the API.
func (k Kind) String() string {
	switch k {
	case Nobody:
		return "nobody"
	case ByKey:
		return "key"
	case ByToken:
		return "token"
	case ByProvider:
		return "person"
	case ByKeySession:
		return "keySession"
	case Developer:
		return "developer"
	}
	return "invalid"
}

// Principal is who asks. The zero value is nobody, who has no role.
type Principal struct {
	Kind Kind
	// ID never changes and is unique: "key:" and the key's id, "oidc:" and the provider's subject, or "dev".
	ID string
	// Name is for people.
	Name string
	// Roles are those that were given.
	Roles Roles
	// Applications and Groups are what the principal is restricted to; empty is no restriction.
	Applications, Groups []string

	rates   *rates   // nil: no limits
	session *Session // nil: not in a browser
}

// Restricted reports whether the principal sees only some applications or groups.
func (p *Principal) Restricted() bool { return len(p.Applications) > 0 || len(p.Groups) > 0 }

// Allows reports whether the principal may have to do with transactions of an application and its group.
func (p *Principal) Allows(application, group string) bool {
	return (len(p.Applications) == 0 || slices.Contains(p.Applications, application)) &&
		(len(p.Groups) == 0 || slices.Contains(p.Groups, group))
}

// Person reports whether somebody sits in front of it, as far as can be told: what a person changes is in the journal.
// A key is a person's if it has a role of people.
func (p *Principal) Person() bool {
	switch p.Kind {
	case ByProvider, ByKeySession:
		return true
	case ByKey, ByToken:
		return p.Roles.Has(Operator)
	}
	return false
}

// Session returns the browser's session, or nil.
func (p *Principal) Session() *Session { return p.session }

// contextKey is the key of the principal in a context.
type contextKey struct{}

// With returns a context that carries p.
func With(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns who asks, the zero principal if that is not known. It must not be changed.
func From(ctx context.Context) *Principal {
	if p, ok := ctx.Value(contextKey{}).(*Principal); ok {
		return p
	}
	return &Principal{}
}
