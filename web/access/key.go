package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// TokenPrefix begins every API key, so that one that was published by mistake is found.
const TokenPrefix = "concord_"

// The bounds of keys.
const (
	// KeysMax is how many keys there may be.
	KeysMax = 1000
	// KeyCacheFor is how long a key counts here after another node has revoked it.
	KeyCacheFor = 5 * time.Second
	// keyStaleFor is how long a known key counts while the store does not answer.
	keyStaleFor = time.Minute
	// usedEvery is how coarse the time of the last use is, so that it costs next to no writes.
	usedEvery = time.Hour
	// storeLimit bounds one call to the store that is not the request's own purpose.
	storeLimit = 2 * time.Second
)

// keyKind is the kind of the documents of keys.
const keyKind = "key"

// Key is an API key, without its secret.
type Key struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	// Applications and Groups are what the key is restricted to; empty is no restriction.
	Applications []string `json:"applications,omitempty"`
	Groups       []string `json:"groups,omitempty"`
	Limits
	Note      string     `json:"note,omitempty"`
	CreatedAt txn.Millis `json:"createdAt"`
	CreatedBy string     `json:"createdBy"`
	// ExpiresAt is 0 for never. LastUsedAt is an hour late at most.
	ExpiresAt  txn.Millis `json:"expiresAt,omitempty"`
	LastUsedAt txn.Millis `json:"lastUsedAt,omitempty"`
}

// keyRecord is what is stored of a key.
type keyRecord struct {
	Key
	// Hash is the SHA-256 of the whole token in hexadecimal digits.
	Hash string `json:"hash"`
}

// expired reports whether the key's time is over.
func (k *Key) expired(now txn.Millis) bool { return k.ExpiresAt != 0 && now >= k.ExpiresAt }

// principal is who comes with the key.
func (k *Key) principal(kind Kind) *Principal {
	roles, err := ParseRoles(k.Roles)
	if err != nil {
		roles = 0 // a newer version knows more roles; what is not understood gives nothing
	}
	return &Principal{
		Kind: kind, ID: "key:" + k.ID, Name: k.Name, Roles: roles, Applications: k.Applications, Groups: k.Groups,
	}
}

// keys is the store of keys with a short memory.
type keys struct {
	documents orchestrator.Documents
	clock     orchestrator.Clock

	mu    sync.Mutex
	known map[string]*knownKey
	rates map[string]*rates // outlives known, so that a limit does not begin anew
}

// knownKey is a key as it was read.
type knownKey struct {
	record  keyRecord
	version uint64
	readAt  txn.Millis
}

func newKeys(d orchestrator.Documents, clock orchestrator.Clock) *keys {
	return &keys{documents: d, clock: clock, known: make(map[string]*knownKey), rates: make(map[string]*rates)}
}

// tokenOf makes a token for an id. 26 characters of Base32 are 130 bits.
func tokenOf(id string) string { return TokenPrefix + id + "_" + rand.Text() }

// newKeyID returns an id that nobody has.
func newKeyID() string { return strings.ToLower(rand.Text()[:12]) }

// keyIDOf returns the id in a token, "" if it has none.
func keyIDOf(token string) string {
	rest, ours := strings.CutPrefix(token, TokenPrefix)
	id, secret, found := strings.Cut(rest, "_")
	if !ours || !found || id == "" || len(id) > 32 || len(secret) > 64 {
		return ""
	}
	return id
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// matches compares in constant time.
func (r *keyRecord) matches(token string) bool {
	return subtle.ConstantTimeCompare([]byte(hashOf(token)), []byte(r.Hash)) == 1
}

// errUnknownKey says that there is no such key, or none with that secret, or that its time is over.
var errUnknownKey = errors.New("no such key")

// fresh returns a key from memory if it was read lately. A caller that gets nil has to read it.
func (k *keys) fresh(id string) *knownKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.known[id]
	if known == nil || k.clock.Now()-known.readAt >= txn.Millis(KeyCacheFor.Milliseconds()) {
		return nil
	}
	return known
}

// read returns a key from the store, or what is known of it while that does not answer.
func (k *keys) read(ctx context.Context, id string) (*knownKey, error) {
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	d, err := k.documents.GetDocument(ctx, keyKind, id)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case errors.Is(err, orchestrator.ErrNoDocument):
		delete(k.known, id)
		delete(k.rates, id)
		return nil, errUnknownKey
	case err != nil:
		known := k.known[id]
		if known != nil && k.clock.Now()-known.readAt < txn.Millis(keyStaleFor.Milliseconds()) {
			return known, nil
		}
		return nil, fmt.Errorf("read a key: %w", err)
	}
	known := &knownKey{version: d.Version, readAt: k.clock.Now()}
	if err := json.Unmarshal(d.Value, &known.record); err != nil {
		return nil, fmt.Errorf("read key %s: %w", id, err)
	}
	k.known[id] = known
	return known, nil
}

// ratesOf returns the counters of a key.
func (k *keys) ratesOf(key *Key) *rates {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.rates[key.ID]
	if r == nil {
		r = newRates(key.Limits)
		k.rates[key.ID] = r
	}
	return r
}

// used notes that a key was used, if that has not been noted for long. What goes wrong is of no importance.
func (k *keys) used(ctx context.Context, known *knownKey) {
	now := k.clock.Now()
	if now-known.record.LastUsedAt < txn.Millis(usedEvery.Milliseconds()) {
		return
	}
	record := known.record
	record.LastUsedAt = now
	next := &knownKey{record: record, version: known.version + 1, readAt: known.readAt}
	k.mu.Lock()
	if k.known[record.ID] != known {
		k.mu.Unlock()
		return
	}
	k.known[record.ID] = next // so that nobody else notes it too
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	_ = k.put(ctx, &record, next.version)
}

func (k *keys) put(ctx context.Context, record *keyRecord, version uint64) error {
	value, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("write key %s: %w", record.ID, err)
	}
	return k.documents.PutDocument(ctx, orchestrator.Document{
		Kind: keyKind, Key: record.ID, Version: version, Value: value,
	})
}

// list returns all keys in order of their ids.
func (k *keys) list(ctx context.Context) ([]Key, error) {
	docs, err := listAll(ctx, k.documents, keyKind, KeysMax)
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	all := make([]Key, 0, len(docs))
	for _, d := range docs {
		var record keyRecord
		if err := json.Unmarshal(d.Value, &record); err != nil {
			return nil, fmt.Errorf("read key %s: %w", d.Key, err)
		}
		all = append(all, record.Key)
	}
	return all, nil
}

// listAll returns all documents of a kind, at most so many.
func listAll(ctx context.Context, d orchestrator.Documents, kind string, most int) ([]orchestrator.Document, error) {
	var all []orchestrator.Document
	q := orchestrator.DocumentQuery{Kind: kind, Limit: orchestrator.PageItemsMax}
	for len(all) < most {
		docs, err := d.ListDocuments(ctx, q)
		if err != nil {
			return nil, err
		}
		if len(docs) == 0 { // nothing else says that there is no more
			break
		}
		all = append(all, docs...)
		q.After = docs[len(docs)-1].Key
	}
	return all, nil
}

// forget drops what is remembered of a key.
func (k *keys) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, id)
	delete(k.rates, id)
}
