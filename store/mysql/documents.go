package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Changes of documents are units among those of transactions: what is queued at the same time is one write, with one
// fence and one commit, whatever it is. An expired document is none, though its row is there until retention.

var _ orchestrator.Documents = (*Store)(nil)

// documentID names a document.
type documentID struct{ kind, key string }

func (id documentID) compare(other documentID) int {
	return cmp.Or(strings.Compare(id.kind, other.kind), strings.Compare(id.key, other.key))
}

// documentChange is what a unit does with one document.
type documentChange struct {
	id documentID
	d  *orchestrator.Document // nil: the document is removed, if it has the version or version is 0
	// version is of the document that is removed.
	version uint64
	now     txn.Millis // when the change was asked for
}

// documentRow is what is stored of a document, and what becomes of it.
type documentRow struct {
	version   uint64
	expiresAt txn.Millis
	stored    bool
	changed   bool
	d         *orchestrator.Document // what is to be written; nil: nothing is left
}

// documentMark is in place of the id of a transaction in the marks of documents.
const documentMark = -1

// documentOverhead is what a change of a document takes in the queue besides its value, about.
const documentOverhead = 1 << 10

// mark is what no two batches may change at the same time.
func (c *documentChange) mark() mark {
	return mark{id: documentMark, hash: hash32(c.id.kind + "/" + c.id.key)}
}

// try makes the change in the batch.
func (c *documentChange) try(r *documentRow) error {
	version := r.version
	if (orchestrator.Document{ExpiresAt: r.expiresAt}).ExpiredAt(c.now) {
		version = 0
	}
	switch {
	case c.d != nil && c.d.Version != version+1:
		return orchestrator.ErrConflict
	case c.d != nil:
		*r = documentRow{version: c.d.Version, expiresAt: c.d.ExpiresAt, stored: r.stored, changed: true, d: c.d}
	case version == 0:
	case c.version != 0 && c.version != version:
		return orchestrator.ErrConflict
	default:
		*r = documentRow{stored: r.stored, changed: true}
	}
	return nil
}

// needDocument has the batch read what a unit needs.
func (b *batch) needDocument(c *documentChange) {
	if b.documents == nil {
		b.documents = map[documentID]*documentRow{}
	}
	if b.documents[c.id] == nil {
		b.documents[c.id] = &documentRow{}
	}
}

func sortedDocuments(m map[documentID]*documentRow) []documentID {
	return slices.SortedFunc(maps.Keys(m), documentID.compare)
}

// selectDocuments reads by the primary key.
var selectDocuments = multi{
	`SELECT kind, k, version, expires_at FROM concord_document FORCE INDEX (PRIMARY) WHERE (kind, k) IN (`, `(?,?)`,
	`) FOR UPDATE`,
}

func (s *Store) readDocuments(ctx context.Context, x executor, b *batch) error {
	l := newList(selectDocuments)
	for _, id := range sortedDocuments(b.documents) {
		l.add([]byte(id.kind), []byte(id.key))
	}
	return s.query(ctx, x, selectDocuments, l, func(rows *sql.Rows) error {
		var id documentID
		r := documentRow{stored: true}
		if err := rows.Scan(&id.kind, &id.key, &r.version, &r.expiresAt); err != nil {
			return err
		}
		if to := b.documents[id]; to != nil {
			*to = r
		}
		return nil
	})
}

var (
	insertDocument = multi{
		`INSERT INTO concord_document (kind, k, version, expires_at, epoch, bytes, value) VALUES `, `(?,?,?,?,?,?,?)`, ``,
	}
	// updateDocument is only given rows that were read for update: all of them exist.
	updateDocument = multi{
		insertDocument.head, insertDocument.group, ` ON DUPLICATE KEY UPDATE version = VALUES(version),
	expires_at = VALUES(expires_at), epoch = VALUES(epoch), bytes = VALUES(bytes), value = VALUES(value)`,
	}
	// deleteDocument works by the primary key.
	deleteDocument = multi{
		`DELETE FROM concord_document WHERE (kind, k) IN (`, `(?,?)`, `) ORDER BY kind, k LIMIT `,
	}
)

func (s *Store) writeDocuments(ctx context.Context, x executor, b *batch) error {
	created, updated, removed := newList(insertDocument), newList(updateDocument), newList(deleteDocument)
	for _, id := range sortedDocuments(b.documents) {
		switch r := b.documents[id]; {
		case !r.changed || r.d == nil && !r.stored:
		case r.d == nil:
			removed.add([]byte(id.kind), []byte(id.key))
		default:
			to := created
			if r.stored {
				to = updated
			}
			value := r.d.Value
			if value == nil {
				value = []byte{} // nil would be NULL
			}
			to.add([]byte(id.kind), []byte(id.key), int64(r.d.Version), int64(r.d.ExpiresAt), b.epoch, len(value), value)
		}
	}
	return s.statements(ctx, x, statement{insertDocument, created}, statement{updateDocument, updated},
		statement{deleteDocument, removed})
}

// PutDocument implements [orchestrator.Documents].
func (s *Store) PutDocument(ctx context.Context, d orchestrator.Document) error {
	if err := d.Check(); err != nil {
		return err
	}
	return s.changeDocument(ctx, &documentChange{id: documentID{d.Kind, d.Key}, d: &d})
}

// DeleteDocument implements [orchestrator.Documents].
func (s *Store) DeleteDocument(ctx context.Context, kind, key string, version uint64) error {
	if err := (orchestrator.Document{Kind: kind, Key: key}).Check(); err != nil {
		return err
	}
	return s.changeDocument(ctx, &documentChange{id: documentID{kind, key}, version: version})
}

// changeDocument queues the change and waits until it is durable. If ctx ends before, it is made nevertheless.
func (s *Store) changeDocument(ctx context.Context, c *documentChange) error {
	c.now = s.retentionNow()
	bytes := documentOverhead
	if c.d != nil {
		bytes += 2 * len(c.d.Value)
	}
	return s.wait(ctx, &unit{document: c, bytes: bytes}).err
}

// selectDocument reads by the primary key.
const selectDocument = `SELECT version, expires_at, value FROM concord_document WHERE kind = ? AND k = ?`

// GetDocument implements [orchestrator.Documents].
func (s *Store) GetDocument(ctx context.Context, kind, key string) (orchestrator.Document, error) {
	d := orchestrator.Document{Kind: kind, Key: key}
	if err := d.Check(); err != nil {
		return orchestrator.Document{}, err
	}
	err := patiently(ctx, s.opts.RetryFor, func() error {
		return s.pool.QueryRowContext(ctx, selectDocument, []byte(kind), []byte(key)).
			Scan(&d.Version, &d.ExpiresAt, &d.Value)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && d.ExpiredAt(s.retentionNow()):
		return orchestrator.Document{}, orchestrator.ErrNoDocument
	case err != nil:
		return orchestrator.Document{}, fmt.Errorf("read document: %w", unreadable(err))
	}
	return d, nil
}

// unreadable says of a read that failed whether the database was away.
func unreadable(err error) error {
	if classify(err) == outageConnect && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", orchestrator.ErrUnavailable, err)
	}
	return err
}

const (
	// listDocuments and listNewest walk the primary key.
	listDocuments = `SELECT k, bytes FROM concord_document FORCE INDEX (PRIMARY) WHERE kind = ? AND k > ? AND k >= ?
	AND k <= ? AND (expires_at = 0 OR expires_at > ?) ORDER BY k LIMIT ?`
	listNewest = `SELECT k, bytes FROM concord_document FORCE INDEX (PRIMARY) WHERE kind = ? AND k > ? AND k >= ?
	AND k <= ? AND (expires_at = 0 OR expires_at > ?) ORDER BY k DESC LIMIT ?`
)

// readListed reads the documents of a list by the primary key.
var readListed = multi{
	`SELECT k, version, expires_at, value FROM concord_document FORCE INDEX (PRIMARY) WHERE (kind, k) IN (`, `(?,?)`, `)`,
}

// ListDocuments implements [orchestrator.Documents]. A list is as of one moment. The lengths are read first, so that no
// value comes over the network that the list has no room for.
func (s *Store) ListDocuments(
	ctx context.Context, q orchestrator.DocumentQuery,
) (all []orchestrator.Document, err error) {
	limit, err := q.Check()
	if err != nil {
		return nil, err
	}
	err = patiently(ctx, s.opts.RetryFor, func() error {
		return s.snapshot(ctx, func(x executor) error {
			keys, err := s.listKeys(ctx, x, q, limit)
			if err != nil {
				return err
			}
			all, err = s.readKeys(ctx, x, q.Kind, keys)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list documents: %w", unreadable(err))
	}
	return all, nil
}

// listKeys returns the keys of a list.
func (s *Store) listKeys(
	ctx context.Context, x executor, q orchestrator.DocumentQuery, limit int,
) (keys []string, err error) {
	query, behind, last := listDocuments, q.After, lastKeyWith(q.Prefix)
	if q.Newest {
		query, behind = listNewest, ""
		if q.After != "" {
			last = min(last, keyBefore(q.After))
		}
	}
	size, full := 0, false
	err = each(ctx, x, func(rows *sql.Rows) error {
		var key string
		var n int
		if err := rows.Scan(&key, &n); err != nil {
			return err
		}
		size += n
		full = full || size > orchestrator.DocumentsBytesMax && len(keys) > 0
		if !full {
			keys = append(keys, key)
		}
		return nil
	}, query, []byte(q.Kind), []byte(behind), []byte(q.Prefix), []byte(last), int64(s.retentionNow()), limit)
	return keys, err
}

// readKeys reads documents in the order of the keys.
func (s *Store) readKeys(
	ctx context.Context, x executor, kind string, keys []string,
) (all []orchestrator.Document, err error) {
	l, at := newList(readListed), make(map[string]int, len(keys))
	for i, key := range keys {
		l.add([]byte(kind), []byte(key))
		at[key] = i
	}
	all = make([]orchestrator.Document, len(keys))
	err = s.query(ctx, x, readListed, l, func(rows *sql.Rows) error {
		d := orchestrator.Document{Kind: kind}
		if err := rows.Scan(&d.Key, &d.Version, &d.ExpiresAt, &d.Value); err != nil {
			return err
		}
		all[at[d.Key]] = d
		return nil
	})
	return all, err
}

// lastKeyWith returns what no key that begins with the prefix comes after.
func lastKeyWith(prefix string) string {
	return prefix + strings.Repeat("\xff", orchestrator.DocumentKeyBytesMax-len(prefix))
}

// keyBefore returns the last of all possible keys before one. The column is no longer than a key, so it must not be
// compared with anything that is.
func keyBefore(key string) string {
	head, last := key[:len(key)-1], key[len(key)-1]
	if last == 0 {
		return head
	}
	return lastKeyWith(head + string([]byte{last - 1}))
}

// deleteOldDocuments uses the index k_expires.
const deleteOldDocuments = `DELETE FROM concord_document WHERE expires_at > 0 AND expires_at <= ? ORDER BY expires_at
	LIMIT ?`

// retainDocuments removes what has expired. It may meet a change of the same document, and then one of them is tried
// again.
func (s *Store) retainDocuments(ctx context.Context) error {
	now := int64(s.retentionNow())
	for more := true; more; {
		err := patiently(ctx, s.opts.RetryFor, func() error {
			result, err := s.pool.ExecContext(ctx, deleteOldDocuments, now, retainRows)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			more = n == retainRows
			return err
		})
		if err != nil {
			return fmt.Errorf("remove expired documents: %w", err)
		}
	}
	return nil
}
