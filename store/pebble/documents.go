package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	cockroach "github.com/cockroachdb/pebble"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

var _ orchestrator.Documents = (*Store)(nil)

// documents are those that are being changed, by the names that they have on disk. Its zero value is ready.
type documents struct {
	mu   sync.Mutex
	held map[string]*heldDocument
}

// heldDocument is one document while any change of it is under way.
type heldDocument struct {
	users int // guarded by documents.mu

	// mu is held while the stored document is read and the next change of it is queued, not while that is written.
	// Store.mu is taken after it.
	mu    sync.Mutex
	known bool         // head is what was given last, durable or not; else what is on disk counts, and is durable
	head  documentHead // guarded by mu, like known
}

// documentHead is what a change looks at. Version 0 says that there is no document.
type documentHead struct {
	version   uint64
	expiresAt txn.Millis
}

// at is the head as of a time: an expired document is none.
func (h documentHead) at(now txn.Millis) documentHead {
	if (orchestrator.Document{ExpiresAt: h.expiresAt}).ExpiredAt(now) {
		return documentHead{}
	}
	return h
}

func (d *documents) hold(name string) *heldDocument {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = map[string]*heldDocument{}
	}
	h := d.held[name]
	if h == nil {
		h = &heldDocument{}
		d.held[name] = h
	}
	h.users++
	return h
}

func (d *documents) release(name string, h *heldDocument) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(d.held, name)
	}
}

// documentName is the name of a document in keys: a kind holds no zero byte.
func documentName(kind, key string) string { return kind + "\x00" + key }

func appendDocumentKey(dst []byte, name string) []byte {
	return append(append(dst, spaceDocument, '/'), name...)
}

func appendExpiryKey(dst []byte, at txn.Millis, name string) []byte {
	return append(binary.BigEndian.AppendUint64(append(dst, spaceExpiry, '/'), uint64(at)), name...)
}

func encodeDocument(dst []byte, d *orchestrator.Document) []byte {
	dst = binary.AppendUvarint(dst, d.Version)
	dst = binary.AppendUvarint(dst, uint64(d.ExpiresAt))
	return append(dst, d.Value...)
}

// decodeDocument reads what was stored under a name. rest is a part of value.
func decodeDocument(name string, value []byte) (h documentHead, rest []byte, err error) {
	version, n := binary.Uvarint(value)
	expires, m := binary.Uvarint(value[max(n, 0):])
	if n <= 0 || m <= 0 || version == 0 {
		return h, nil, fmt.Errorf("document %q: %w", name, txn.ErrEncoding)
	}
	return documentHead{version, txn.Millis(expires)}, value[n+m:], nil
}

// readDocument calls yield with the stored document, if there is one. value is valid during the call.
func (s *Store) readDocument(name string, yield func(h documentHead, value []byte)) error {
	var space [256]byte
	value, closer, err := s.db.Get(appendDocumentKey(space[:0], name))
	if errors.Is(err, cockroach.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read document: %w", damaged(err))
	}
	defer func() { _ = closer.Close() }()
	h, rest, err := decodeDocument(name, value)
	if err != nil {
		return damaged(err)
	}
	yield(h, rest)
	return nil
}

// GetDocument implements [orchestrator.Documents].
func (s *Store) GetDocument(_ context.Context, kind, key string) (orchestrator.Document, error) {
	d := orchestrator.Document{Kind: kind, Key: key}
	if err := d.Check(); err != nil {
		return orchestrator.Document{}, err
	}
	if err := s.failure(); err != nil {
		return orchestrator.Document{}, err
	}
	now := s.opts.Clock.Now()
	err := s.readDocument(documentName(kind, key), func(h documentHead, value []byte) {
		if h = h.at(now); h.version != 0 {
			d.Version, d.ExpiresAt, d.Value = h.version, h.expiresAt, bytes.Clone(value)
		}
	})
	if err == nil && d.Version == 0 {
		err = orchestrator.ErrNoDocument
	}
	if err != nil {
		return orchestrator.Document{}, err
	}
	return d, nil
}

// PutDocument implements [orchestrator.Documents]. Documents are stored on a nearly full disk as well: they tell what
// became of requests that let locks go, and who made them.
func (s *Store) PutDocument(ctx context.Context, d orchestrator.Document) error {
	if err := d.Check(); err != nil {
		return err
	}
	name := documentName(d.Kind, d.Key)
	return s.changeDocument(ctx, name, func(w *write, old documentHead, _ bool) (documentHead, error) {
		if old.at(s.opts.Clock.Now()).version+1 != d.Version {
			return old, orchestrator.ErrConflict
		}
		next := documentHead{d.Version, d.ExpiresAt}
		w.forgetExpiry(name, old, next)
		w.key = appendDocumentKey(w.key[:0], name)
		w.value = encodeDocument(w.value[:0], &d)
		w.ops.set(w.key, w.value)
		if d.ExpiresAt != 0 && d.ExpiresAt != old.expiresAt {
			w.key = appendExpiryKey(w.key[:0], d.ExpiresAt, name)
			w.ops.set(w.key, nil)
		}
		return next, nil
	})
}

// DeleteDocument implements [orchestrator.Documents].
func (s *Store) DeleteDocument(ctx context.Context, kind, key string, version uint64) error {
	d := orchestrator.Document{Kind: kind, Key: key}
	if err := d.Check(); err != nil {
		return err
	}
	name := documentName(kind, key)
	return s.changeDocument(ctx, name, func(w *write, old documentHead, durable bool) (documentHead, error) {
		switch now := old.at(s.opts.Clock.Now()); {
		case now.version == 0 && durable:
			return old, errNothing
		case now.version != 0 && version != 0 && version != now.version:
			return old, orchestrator.ErrConflict
		}
		w.removeDocument(name, old)
		return documentHead{}, nil
	})
}

// errNothing says that a change has nothing to write.
var errNothing = errors.New("nothing to write")

// removeDocument also has to be written for a document whose removal is not durable yet: then this one waits for it.
func (w *write) removeDocument(name string, old documentHead) {
	w.forgetExpiry(name, old, documentHead{})
	w.key = appendDocumentKey(w.key[:0], name)
	w.ops.delete(w.key)
}

// forgetExpiry removes the entry of the old head in the index of expiry, unless the next one has the same.
func (w *write) forgetExpiry(name string, old, next documentHead) {
	if old.expiresAt != 0 && old.expiresAt != next.expiresAt {
		w.key = appendExpiryKey(w.key[:0], old.expiresAt, name)
		w.ops.delete(w.key)
	}
}

// plan fills w with the change of a document, and returns what it leaves; an error has nothing changed. durable says
// that old is.
type plan func(w *write, old documentHead, durable bool) (next documentHead, err error)

// changeDocument makes one change and waits until it is durable. If ctx ends before, it is made nevertheless.
func (s *Store) changeDocument(ctx context.Context, name string, p plan) error {
	done := make(chan error, 1)
	if err := s.queueDocument(name, false, p, func(err error) { done <- err }); err != nil {
		if errors.Is(err, errNothing) {
			return nil
		}
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the disk: %w", ctx.Err())
	}
}

// queueDocument queues one change; done is called if, and only if, it returns nil.
func (s *Store) queueDocument(name string, lazy bool, p plan, done func(error)) error {
	h := s.documents.hold(name)
	w := s.writes.get()
	w.lazy = lazy
	w.done = func(err error) {
		s.documents.release(name, h)
		done(err)
	}
	err := s.planDocument(name, h, w, p)
	if err != nil {
		s.documents.release(name, h)
		s.writes.put(w)
	}
	return err
}

func (s *Store) planDocument(name string, h *heldDocument, w *write, p plan) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := s.failure(); err != nil {
		return err
	}
	durable := !h.known
	if durable {
		h.head = documentHead{}
		err := s.readDocument(name, func(head documentHead, _ []byte) { h.head = head })
		if err != nil {
			return err
		}
	}
	next, err := p(w, h.head, durable)
	if err == nil {
		err = s.writeDocument(w)
	}
	if err == nil {
		h.known, h.head = true, next
	}
	return err
}

// writeDocument queues a write within the bounds of the queue.
func (s *Store) writeDocument(w *write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failed != nil:
		return s.failed
	case s.closing:
		return orchestrator.ErrStopped
	case s.underway >= s.opts.QueueChanges || s.underwayBytes >= s.opts.QueueBytes:
		return orchestrator.ErrBusy
	}
	s.append(w)
	return nil
}

// ListDocuments implements [orchestrator.Documents]. A list is as of one moment.
func (s *Store) ListDocuments(ctx context.Context, q orchestrator.DocumentQuery) ([]orchestrator.Document, error) {
	limit, err := q.Check()
	if err != nil {
		return nil, err
	}
	if err := s.failure(); err != nil {
		return nil, err
	}
	lower := appendDocumentKey(nil, documentName(q.Kind, q.Prefix))
	upper := after(lower)
	if q.After != "" {
		edge := appendDocumentKey(nil, documentName(q.Kind, q.After))
		switch {
		case q.Newest && bytes.Compare(edge, upper) < 0:
			upper = edge
		case !q.Newest && bytes.Compare(edge, lower) >= 0:
			lower = append(edge, 0)
		}
	}
	if bytes.Compare(lower, upper) >= 0 {
		return nil, nil
	}
	all, err := s.listDocuments(ctx, lower, upper, q.Newest, limit)
	if err != nil {
		return nil, fmt.Errorf("list documents: %w", damaged(err))
	}
	return all, nil
}

// documentsPerLook is how many documents are read between two looks at the context.
const documentsPerLook = 256

func (s *Store) listDocuments(
	ctx context.Context, lower, upper []byte, newest bool, limit int,
) (all []orchestrator.Document, err error) {
	it, err := s.db.NewIter(&cockroach.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	begin, next := it.First, it.Next
	if newest {
		begin, next = it.Last, it.Prev
	}
	now, read, size := s.opts.Clock.Now(), 0, 0
	for ok := begin(); ok && len(all) < limit; ok = next() {
		if read++; read%documentsPerLook == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		name := string(it.Key()[2:])
		head, rest, err := decodeDocument(name, value)
		if err != nil {
			return nil, err
		}
		if head.at(now).version == 0 {
			continue
		}
		if size += len(rest); size > orchestrator.DocumentsBytesMax && len(all) > 0 {
			break
		}
		kind, key, _ := strings.Cut(name, "\x00")
		all = append(all, orchestrator.Document{
			Kind: kind, Key: key, Version: head.version, ExpiresAt: head.expiresAt, Value: bytes.Clone(rest),
		})
	}
	return all, it.Error()
}

// retainDocuments removes what has expired, a slice at a time. Each removal goes through the queue like any change, so
// that it meets those that are made meanwhile.
func (s *Store) retainDocuments(ctx context.Context) error {
	lower, _ := spaceBounds(spaceExpiry)
	for lower != nil {
		next, err := s.retainDocumentSlice(lower)
		if err != nil {
			return err
		}
		if lower = next; lower != nil {
			if err := pause(ctx, retentionPause); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) retainDocumentSlice(lower []byte) (next []byte, err error) {
	now := s.opts.Clock.Now()
	upper := appendExpiryKey(nil, now+1, "")
	var keys [][]byte
	err = scan(s.db, lower, upper, func(key, _ []byte) error {
		if len(keys) == retentionSlice {
			next = bytes.Clone(key)
			return errEnough
		}
		keys = append(keys, bytes.Clone(key))
		return nil
	})
	if err != nil {
		return nil, err
	}
	answers := make(chan error, len(keys))
	for _, key := range keys {
		err := s.queueDocument(string(key[expiryHeader:]), true, forgetExpired(key, now), func(err error) { answers <- err })
		if err != nil {
			answers <- err
		}
	}
	for range keys {
		if e := <-answers; e != nil && !errors.Is(e, errNothing) {
			err = e
		}
	}
	return next, err
}

// expiryHeader is the length of what precedes the name in a key of the index of expiry.
const expiryHeader = 2 + 8

// forgetExpired removes a document that an entry of the index of expiry names, unless it was changed meanwhile: then
// the entry is gone, or about to be.
func forgetExpired(entry []byte, now txn.Millis) plan {
	at := txn.Millis(binary.BigEndian.Uint64(entry[2:]))
	return func(w *write, old documentHead, durable bool) (documentHead, error) {
		switch {
		case old.version != 0 && old.at(now).version == 0:
			w.removeDocument(string(entry[expiryHeader:]), old)
			return documentHead{}, nil
		case durable && old.expiresAt != at: // no document has this entry
			w.ops.delete(entry)
			return old, nil
		}
		return old, errNothing
	}
}
