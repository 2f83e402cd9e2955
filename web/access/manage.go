package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// The bounds of what a key is described with.
const (
	nameBytesMax     = 64
	noteBytesMax     = 500
	restrictionsMax  = 100
	restrictionBytes = 128
	lifetimeMax      = 10 * 365 * 24 * time.Hour
	ratesMax         = 1_000_000
)

// FirstKeyID is the id of the key that is made at the first start.
const FirstKeyID = "first"

// NewKey is what a key is made of.
type NewKey struct {
	Name         string
	Roles        []string
	Applications []string
	Groups       []string
	Limits       Limits
	Note         string
	// ExpiresAt is 0 for never.
	ExpiresAt txn.Millis
}

// mistaken refuses a description.
func mistaken(format string, args ...any) *Refusal {
	return &Refusal{
		Status: http.StatusBadRequest, Code: "argumentInvalid", Title: "The request is not understood.",
		Detail: fmt.Sprintf(format, args...),
	}
}

// check says what is wrong with a description.
func (n *NewKey) check(now txn.Millis) error {
	if n.Name == "" || len(n.Name) > nameBytesMax || printable(n.Name, nameBytesMax) != n.Name {
		return mistaken("name has 1 to %d printable ASCII characters", nameBytesMax)
	}
	if len(n.Note) > noteBytesMax || strings.ContainsFunc(n.Note, func(r rune) bool { return r < ' ' }) {
		return mistaken("note is longer than %d bytes, or has control characters", noteBytesMax)
	}
	roles, err := ParseRoles(n.Roles)
	if err != nil {
		return mistaken("roles: %v", err)
	}
	if roles == 0 {
		return mistaken("roles is empty; there are %s", strings.Join(Grantable(), ", "))
	}
	for field, list := range map[string][]string{"applications": n.Applications, "groups": n.Groups} {
		if len(list) > restrictionsMax || slices.ContainsFunc(list, func(s string) bool {
			return s == "" || len(s) > restrictionBytes
		}) {
			return mistaken("%s has at most %d names of 1 to %d bytes", field, restrictionsMax, restrictionBytes)
		}
	}
	restricted := len(n.Applications) > 0 || len(n.Groups) > 0
	if restricted && roles.Has(Admin) {
		return mistaken("an admin sees everything; applications and groups do not go with that role")
	}
	l := n.Limits
	if !(l.Requests >= 0 && l.Requests <= ratesMax && l.Begins >= 0 && l.Begins <= ratesMax) ||
		l.Live < 0 || l.Live > ratesMax {
		return mistaken("limits are numbers from 0, which is none, to %d", ratesMax)
	}
	if n.ExpiresAt != 0 && (n.ExpiresAt <= now || n.ExpiresAt > now+millis(lifetimeMax)) {
		return mistaken("expiresAt is a time within the next ten years, or missing")
	}
	return nil
}

// CreateKey makes a key and returns its token, which nobody can tell again. Errors: *[Refusal], faults of the store.
func (g *Gate) CreateKey(ctx context.Context, n NewKey, by string) (Key, string, error) {
	now := g.o.Clock.Now()
	if err := n.check(now); err != nil {
		return Key{}, "", err
	}
	all, err := g.keys.list(ctx)
	if err != nil {
		return Key{}, "", err
	}
	if len(all) >= KeysMax {
		return Key{}, "", &Refusal{
			Status: http.StatusConflict, Code: "keysTooMany", Title: "There are as many keys as there may be.",
			Detail: fmt.Sprintf("There are %d; revoke some that are not used.", len(all)),
		}
	}
	if slices.ContainsFunc(all, func(k Key) bool { return k.Name == n.Name }) {
		return Key{}, "", &Refusal{
			Status: http.StatusConflict, Code: "keyExists", Title: "There is a key of this name.",
			Detail: "Its secret was shown once. Revoke it and make another one, or choose another name.",
		}
	}
	key := Key{
		ID: newKeyID(), Name: n.Name, Roles: sortedRoles(n.Roles), Applications: n.Applications, Groups: n.Groups,
		Limits: n.Limits, Note: n.Note, CreatedAt: now, CreatedBy: by, ExpiresAt: n.ExpiresAt,
	}
	token, err := g.store(ctx, key, 1)
	return key, token, err
}

// sortedRoles writes each role once, in the usual order.
func sortedRoles(names []string) []string {
	roles, _ := ParseRoles(names)
	return roles.Names()
}

// store stores a key under a new token.
func (g *Gate) store(ctx context.Context, key Key, version uint64) (string, error) {
	token := tokenOf(key.ID)
	if err := g.keys.put(ctx, &keyRecord{Key: key, Hash: hashOf(token)}, version); err != nil {
		return "", fmt.Errorf("store a key: %w", err)
	}
	return token, nil
}

// Keys lists all keys, without their secrets.
func (g *Gate) Keys(ctx context.Context) ([]Key, error) { return g.keys.list(ctx) }

// Key returns one key. Errors: *[Refusal], faults of the store.
func (g *Gate) Key(ctx context.Context, id string) (Key, error) {
	d, err := g.o.Documents.GetDocument(ctx, keyKind, id)
	if errors.Is(err, orchestrator.ErrNoDocument) {
		return Key{}, noKey()
	}
	if err != nil {
		return Key{}, fmt.Errorf("read a key: %w", err)
	}
	var record keyRecord
	if err := json.Unmarshal(d.Value, &record); err != nil {
		return Key{}, fmt.Errorf("read key %s: %w", id, err)
	}
	return record.Key, nil
}

func noKey() *Refusal {
	return &Refusal{Status: http.StatusNotFound, Code: "keyNotFound", Title: "There is no key of this id."}
}

// DeleteKey revokes a key at once here, and within [KeyCacheFor] on other nodes. Errors: *[Refusal], faults of the
// store.
func (g *Gate) DeleteKey(ctx context.Context, id string) (Key, error) {
	all, err := g.keys.list(ctx)
	if err != nil {
		return Key{}, err
	}
	i := slices.IndexFunc(all, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Key{}, noKey()
	}
	key := all[i]
	if g.o.Provider == nil && g.o.Token == "" && !g.anyAdmin(slices.Delete(all, i, i+1)) {
		return Key{}, &Refusal{
			Status: http.StatusConflict, Code: "keyLastAdmin", Title: "Nobody could do anything any more.",
			Detail: "It is the last key of an admin. Make another one first.",
		}
	}
	if err := g.o.Documents.DeleteDocument(ctx, keyKind, id, 0); err != nil {
		return Key{}, fmt.Errorf("revoke a key: %w", err)
	}
	g.keys.forget(id)
	return key, nil
}

// anyAdmin reports whether one of the keys is an admin's and counts.
func (g *Gate) anyAdmin(all []Key) bool {
	now := g.o.Clock.Now()
	return slices.ContainsFunc(all, func(k Key) bool {
		return slices.Contains(k.Roles, Admin.String()) && !k.expired(now)
	})
}

// FirstKey makes the key of the first admin if there is no other way in, and returns its token, or "" if there is one.
// Of several nodes that start at once, one makes it.
func (g *Gate) FirstKey(ctx context.Context) (token string, err error) {
	if g.o.Provider != nil || g.o.Token != "" {
		return "", nil
	}
	all, err := g.keys.list(ctx)
	if err != nil || g.anyAdmin(all) {
		return "", err
	}
	version := uint64(1)
	d, err := g.o.Documents.GetDocument(ctx, keyKind, FirstKeyID)
	switch {
	case err == nil: // its time is over
		version = d.Version + 1
	case !errors.Is(err, orchestrator.ErrNoDocument):
		return "", fmt.Errorf("look for the first key: %w", err)
	}
	token, err = g.store(ctx, Key{
		ID: FirstKeyID, Name: "first start", Roles: []string{Admin.String()}, CreatedAt: g.o.Clock.Now(),
		CreatedBy: "first start", Note: "Make keys of your own, then revoke this one.",
	}, version)
	if errors.Is(err, orchestrator.ErrConflict) {
		return "", nil
	}
	g.keys.forget(FirstKeyID)
	return token, err
}
