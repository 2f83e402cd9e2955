package orchestrator

import (
	"context"
	"errors"
	"fmt"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Documents keeps the small records of the API beside the transactions: keys, sessions, jobs, stored replies, the
// journal of what people did. Every implementation passes storetest.RunDocuments. All methods may be called
// concurrently and return when the change is durable; concurrent changes share durable writes. Others may see a change
// shortly before that. Time is the store's.
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

	// ListDocuments returns documents of a kind that have not expired, in order of key. A list whose values are
	// together longer than [DocumentsBytesMax] ends early: only an empty one says that there is nothing more.
	ListDocuments(ctx context.Context, q DocumentQuery) ([]Document, error)
}

// Document is one record.
type Document struct {
	// Kind is a name of the code's own, 1 to 32 bytes of [a-z0-9-]. Key is 1 to 200 bytes, compared byte by byte.
	Kind, Key string
	// Version counts the changes, from 1.
	Version uint64
	// Value is at most [DocumentBytesMax] long. It must not be changed once it is given away.
	Value []byte
	// ExpiresAt is when the document disappears, 0 for never. What has expired is removed some time later.
	ExpiresAt txn.Millis
}

// The bounds of documents.
const (
	DocumentKindBytesMax = 32
	DocumentKeyBytesMax  = 200
	// DocumentBytesMax is the length of the longest value of a document.
	DocumentBytesMax = 1 << 20
	// DocumentsBytesMax bounds the values of one list, save that the first document of a list always fits.
	DocumentsBytesMax = 16 << 20
)

// Check says what is wrong with the names and sizes of a document: [ErrTooLarge], or an error for a name that no
// caller should make.
func (d Document) Check() error {
	if err := checkDocumentKind(d.Kind); err != nil {
		return err
	}
	switch {
	case d.Key == "":
		return errors.New("document without a key")
	case len(d.Key) > DocumentKeyBytesMax:
		return fmt.Errorf("%w: key of a document has %d bytes, the limit is %d", ErrTooLarge, len(d.Key),
			DocumentKeyBytesMax)
	case len(d.Value) > DocumentBytesMax:
		return fmt.Errorf("%w: document has %d bytes, the limit is %d", ErrTooLarge, len(d.Value), DocumentBytesMax)
	case d.ExpiresAt < 0:
		return fmt.Errorf("document that expires at %d", d.ExpiresAt)
	}
	return nil
}

// ExpiredAt reports whether the document has disappeared by a time.
func (d Document) ExpiredAt(now txn.Millis) bool { return d.ExpiresAt != 0 && d.ExpiresAt <= now }

func checkDocumentKind(kind string) error {
	if kind == "" || len(kind) > DocumentKindBytesMax {
		return fmt.Errorf("kind of a document has %d bytes", len(kind))
	}
	for i := range len(kind) {
		if c := kind[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("kind of a document has the byte %q", c)
		}
	}
	return nil
}

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

// Check says what is wrong with the query, and returns its limit.
func (q DocumentQuery) Check() (limit int, err error) {
	if err := checkDocumentKind(q.Kind); err != nil {
		return 0, err
	}
	if n := max(len(q.Prefix), len(q.After)); n > DocumentKeyBytesMax {
		return 0, fmt.Errorf("%w: part of a key has %d bytes, the limit is %d", ErrTooLarge, n, DocumentKeyBytesMax)
	}
	if q.Limit <= 0 {
		return PageItemsDefault, nil
	}
	return min(q.Limit, PageItemsMax), nil
}

// ErrNoDocument: there is no such document.
var ErrNoDocument = errors.New("no such document")
