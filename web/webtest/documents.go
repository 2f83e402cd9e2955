package webtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Clock is set by hand.
type Clock struct {
	mu  sync.Mutex
	now txn.Millis
}

// NewClock returns a clock that stands at a time.
func NewClock(now txn.Millis) *Clock { return &Clock{now: now} }

// Now implements orchestrator.Clock.
func (c *Clock) Now() txn.Millis {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(by txn.Millis) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += by
}

// Documents are documents in memory.
type Documents struct {
	clock orchestrator.Clock
	mu    sync.Mutex
	all   map[string]map[string]orchestrator.Document // by kind, and by key
	fault error
	lost  int // so many puts are stored and say that they were not
	page  int // no list is longer; 0: as long as asked for
}

// NewDocuments returns no documents yet.
func NewDocuments(clock orchestrator.Clock) *Documents {
	return &Documents{clock: clock, all: make(map[string]map[string]orchestrator.Document)}
}

// Fail has all calls fail with err until it is nil.
func (d *Documents) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = err
}

// ErrAnswerLost is what a put answers whose answer is lost.
var ErrAnswerLost = errors.New("the answer was lost")

// LoseAnswers has the next n puts be carried out and answered with [ErrAnswerLost].
func (d *Documents) LoseAnswers(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = n
}

// EndEarly has lists end after n documents, as those do that would be too long.
func (d *Documents) EndEarly(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.page = n
}

// Spoil changes the value of a document behind everybody's back; nil removes it.
func (d *Documents) Spoil(kind, key string, change func([]byte) []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.all[kind][key]
	x.Kind, x.Key = kind, key
	if x.Value = change(slices.Clone(x.Value)); x.Value == nil {
		delete(d.all[kind], key)
		return
	}
	d.set(x)
}

// set stores a document. The mutex is held.
func (d *Documents) set(x orchestrator.Document) {
	if d.all[x.Kind] == nil {
		d.all[x.Kind] = make(map[string]orchestrator.Document)
	}
	d.all[x.Kind][x.Key] = x
}

// Text returns everything that is stored, to look for what must not be.
func (d *Documents) Text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(d.all)) {
		for _, key := range slices.Sorted(maps.Keys(d.all[kind])) {
			b.WriteString(kind + "/" + key + " " + string(d.all[kind][key].Value) + "\n")
		}
	}
	return b.String()
}

func (d *Documents) get(kind, key string) (orchestrator.Document, bool) {
	x, found := d.all[kind][key]
	return x, found && (x.ExpiresAt == 0 || d.clock.Now() < x.ExpiresAt)
}

// GetDocument implements orchestrator.Documents.
func (d *Documents) GetDocument(ctx context.Context, kind, key string) (orchestrator.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(d.fault, ctx.Err()); err != nil {
		return orchestrator.Document{}, err
	}
	x, found := d.get(kind, key)
	if !found {
		return orchestrator.Document{}, orchestrator.ErrNoDocument
	}
	return x, nil
}

// PutDocument implements orchestrator.Documents.
func (d *Documents) PutDocument(ctx context.Context, x orchestrator.Document) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(d.fault, ctx.Err()); err != nil {
		return err
	}
	if len(x.Value) > orchestrator.DocumentBytesMax {
		return orchestrator.ErrTooLarge
	}
	before, found := d.get(x.Kind, x.Key)
	if !found {
		before.Version = 0
	}
	if x.Version != before.Version+1 {
		return orchestrator.ErrConflict
	}
	d.set(x)
	if d.lost > 0 {
		d.lost--
		return ErrAnswerLost
	}
	return nil
}

// DeleteDocument implements orchestrator.Documents.
func (d *Documents) DeleteDocument(ctx context.Context, kind, key string, version uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(d.fault, ctx.Err()); err != nil {
		return err
	}
	x, found := d.get(kind, key)
	if found && version != 0 && x.Version != version {
		return orchestrator.ErrConflict
	}
	delete(d.all[kind], key)
	return nil
}

// ListDocuments implements orchestrator.Documents.
func (d *Documents) ListDocuments(
	ctx context.Context, q orchestrator.DocumentQuery,
) ([]orchestrator.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(d.fault, ctx.Err()); err != nil {
		return nil, err
	}
	var out []orchestrator.Document
	for key := range d.all[q.Kind] { // others may be many
		x, live := d.get(q.Kind, key)
		past := q.After == "" || (q.Newest && key < q.After) || (!q.Newest && key > q.After)
		if live && strings.HasPrefix(key, q.Prefix) && past {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b orchestrator.Document) int {
		if q.Newest {
			a, b = b, a
		}
		return strings.Compare(a.Key, b.Key)
	})
	limit := min(q.Limit, orchestrator.PageItemsMax)
	if limit <= 0 {
		limit = orchestrator.PageItemsDefault
	}
	if d.page > 0 {
		limit = min(limit, d.page)
	}
	return out[:min(len(out), limit)], nil
}
