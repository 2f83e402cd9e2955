package orchestrator

import (
	"context"
	"errors"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Documents keeps the small records of the API beside the transactions: keys, sessions, jobs, stored replies, the
// journal of what people did. Every implementation passes storetest.RunDocuments. All methods may be called
// concurrently and return when the change is durable; concurrent changes share durable writes.
type Documents interface {
	// GetDocument returns a document. Errors: [ErrNoDocument], also when it has expired; faults.
	GetDocument(ctx context.Context, kind, key string) (Document, error)

	// PutDocument stores d if d.Version is one more than that of the stored document, 1 if there is none or it has
	// expired. Errors: [ErrConflict] otherwise, and nothing is changed; [ErrTooLarge]; [ErrNotMember]; others leave the
	// outcome unknown.
	PutDocument(ctx context.Context, d Document) error

	// DeleteDocument removes a document of that version, 0 being any. Errors: [ErrConflict] if it has another version;
	// none if there is none.
	DeleteDocument(ctx context.Context, kind, key string, version uint64) error

	// ListDocuments returns documents of a kind that have not expired, in order of key.
	ListDocuments(ctx context.Context, q DocumentQuery) ([]Document, error)
}

// Document is one record.
type Document struct {
	// Kind is a name of the code's own, at most 32 bytes of [a-z0-9-]. Key is at most 200 bytes, compared byte by byte.
	Kind, Key string
	// Version counts the changes, from 1.
	Version uint64
	// Value is at most [DocumentBytesMax] long. It must not be changed once it is given away.
	Value []byte
	// ExpiresAt is when the document disappears, 0 for never. What has expired is removed some time later.
	ExpiresAt txn.Millis
}

// DocumentBytesMax is the length of the longest value of a document.
const DocumentBytesMax = 1 << 20

// DocumentQuery selects documents of one kind.
type DocumentQuery struct {
	Kind string
	// Prefix begins the keys. After is the key behind which the list begins, "" for its begin.
	Prefix, After string
	// Newest reverses the order: the list begins with the last key, or before After.
	Newest bool
	// Limit is at most [PageItemsMax]; 0 means [PageItemsDefault].
	Limit int
}

// ErrNoDocument: there is no such document.
var ErrNoDocument = errors.New("no such document")
