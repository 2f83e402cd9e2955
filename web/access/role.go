package access

import (
	"fmt"
	"slices"
	"strings"
)

// Role is something that a principal may have and a route needs.
type Role uint8

// The roles. The first three are only needed, never given: Open is had by everybody, Member by all who are signed in,
// Decider by those who may end transactions, which are services and operators.
const (
	Open Role = iota + 1
	Member
	Decider
	// Viewer sees everything and changes nothing.
	Viewer
	// Operator repeats what failed, and commits or rolls back active transactions.
	Operator
	// Resolver also skips, releases and discards: what cannot be taken back.
	Resolver
	// Admin also gives and takes rights and changes settings.
	Admin
	// Service is an application: it begins transactions, takes part in them and ends them, and sees its own.
	Service
	roleCount
)

// roleNames are the names in the API, in the configuration and in the journal.
var roleNames = [roleCount]string{
	Open: "open", Member: "member", Decider: "decider", Viewer: "viewer", Operator: "operator", Resolver: "resolver",
	Admin: "admin", Service: "service",
}

// String returns the name.
func (r Role) String() string {
	if r == 0 || r >= roleCount {
		return "invalid"
	}
	return roleNames[r]
}

// Wanted says in words which roles have r, for the one who lacks it.
func (r Role) Wanted() string {
	switch r {
	case Member:
		return "any role"
	case Decider:
		return "service or operator"
	}
	return r.String()
}

// grantable are the roles that can be given, in the order in which they are shown.
var grantable = [...]Role{Viewer, Operator, Resolver, Admin, Service}

// Grantable lists the names of the roles that can be given.
func Grantable() []string {
	var names []string
	for _, r := range grantable {
		names = append(names, r.String())
	}
	return names
}

// implies returns the roles that r brings along directly.
func (r Role) implies() []Role {
	switch r {
	case Admin:
		return []Role{Resolver, Service}
	case Resolver:
		return []Role{Operator}
	case Operator:
		return []Role{Viewer, Decider}
	case Service:
		return []Role{Decider}
	case Viewer, Decider:
		return []Role{Member}
	case Member:
		return []Role{Open}
	}
	return nil
}

// Roles is a set of roles that were given.
type Roles uint16

// RolesOf returns a set.
func RolesOf(roles ...Role) (set Roles) {
	for _, r := range roles {
		set |= 1 << r
	}
	return set
}

// ParseRoles reads names. The error names the one that is none.
func ParseRoles(names []string) (set Roles, err error) {
	for _, name := range names {
		i := slices.IndexFunc(grantable[:], func(r Role) bool { return r.String() == name })
		if i < 0 {
			return 0, fmt.Errorf("%q is no role; there are %s", name, strings.Join(Grantable(), ", "))
		}
		set |= 1 << grantable[i]
	}
	return set, nil
}

// Has reports whether r was given, or comes with a role that was. Everybody has [Open].
func (s Roles) Has(r Role) bool {
	return r == Open || s.closure()&(1<<r) != 0
}

// closure adds what the roles bring along.
func (s Roles) closure() Roles {
	for r := Role(1); r < roleCount; r++ {
		if s&(1<<r) != 0 {
			s |= r.reach()
		}
	}
	return s
}

// reach returns all that r brings along, however indirectly.
func (r Role) reach() (set Roles) {
	for _, next := range r.implies() {
		set |= 1<<next | next.reach()
	}
	return set
}

// Names lists what was given, without what comes along.
func (s Roles) Names() []string {
	names := []string{}
	for _, r := range grantable {
		if s&(1<<r) != 0 {
			names = append(names, r.String())
		}
	}
	return names
}
