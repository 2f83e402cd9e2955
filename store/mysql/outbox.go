package mysql

import (
	"bytes"
	"compress/flate"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/concord-tx/concord/internal/deflate"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// The events of a pack share one row of the outbox, because they come and nearly always go together: a row for each
// decision cost the database a fifth of its time. An entry is found by the pack in which it was decided, for ever: what
// is published again stays where it is.

// clearMax bounds the packs that wait to be cleared, and trimMax the packs of which a batch clears a part. What is
// beyond clearMax is forgotten, which costs duplicates.
const (
	clearMax = 1 << 16
	trimMax  = 16
)

// clearing is what is to leave the outbox: whole packs, and parts of others.
type clearing struct {
	whole []orchestrator.PackID
	parts map[orchestrator.PackID][]int64
}

func (c *clearing) empty() bool { return len(c.whole) == 0 && len(c.parts) == 0 }

// take removes what one batch can clear.
func (c *clearing) take() clearing {
	m := min(len(c.whole), rowsMax)
	out := clearing{whole: append([]orchestrator.PackID(nil), c.whole[:m]...)}
	c.whole = c.whole[:copy(c.whole, c.whole[m:])]
	for pack, ids := range c.parts {
		if len(out.parts) == trimMax {
			break
		}
		if out.parts == nil {
			out.parts = map[orchestrator.PackID][]int64{}
		}
		out.parts[pack] = ids
		delete(c.parts, pack)
	}
	return out
}

// ClearOutbox implements [orchestrator.PackStore].
func (s *Store) ClearOutbox(pack orchestrator.PackID, ids []int64) {
	if pack == "" || len(pack) > packIDBytesMax || ids != nil && len(ids) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.clear
	if s.closing || len(c.whole)+len(c.parts) >= clearMax {
		return
	}
	if c.empty() {
		s.clearSince = time.Now()
		s.wakeLanes()
	}
	if ids == nil {
		c.whole = append(c.whole, pack)
		return
	}
	if c.parts == nil {
		c.parts = map[orchestrator.PackID][]int64{}
	}
	c.parts[pack] = append(c.parts[pack], ids...)
}

// noted is a change that has an outbox entry, and the pack in which it is.
type noted struct {
	pack orchestrator.PackID
	ch   *orchestrator.Change
}

// outboxKey is the pack of a unit's entries. What was decided without one has a pack of its own, by a name that no pack
// has.
func (u *unit) outboxKey() orchestrator.PackID {
	if u.op == packApply {
		return u.pack
	}
	return orchestrator.PackID("=" + strconv.FormatInt(u.changes[0].ch.Global.XID.ID, 10))
}

// entryOverhead is what an entry takes in a row besides its texts, at most.
const entryOverhead = 48

// appendEntry appends an entry to the events of a row: its id, when it was recorded, whether its topic and group are
// others than those of the entry before it, these, and the event.
func appendEntry(dst []byte, e, before *orchestrator.OutboxEntry) []byte {
	dst = binary.AppendVarint(dst, e.ID)
	dst = binary.AppendVarint(dst, int64(e.RecordedAt))
	if before != nil && before.Topic == e.Topic && before.Group == e.Group {
		dst = append(dst, 0)
	} else {
		dst = append(dst, 1)
		dst = append(binary.AppendUvarint(dst, uint64(len(e.Topic))), e.Topic...)
		dst = append(binary.AppendUvarint(dst, uint64(len(e.Group))), e.Group...)
	}
	return append(binary.AppendUvarint(dst, uint64(len(e.Event))), e.Event...)
}

// entryReader takes the events of a row apart. It fails once and for all.
type entryReader struct {
	rest []byte
	bad  bool
}

func (r *entryReader) number() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.rest, r.bad = nil, true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *entryReader) bytes() []byte {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > uint64(len(r.rest)-n) {
		r.rest, r.bad = nil, true
		return nil
	}
	b := r.rest[n : n+int(v)]
	r.rest = r.rest[n+int(v):]
	return b
}

// The events of a row are compressed from deflateFrom bytes on: what a pack costs the database is its bytes, and events
// are much like each other. Such a row begins with what no number begins with. inflateMax is far more than a pack has.
const (
	deflateFrom = 2 << 10
	deflated    = "\x80\x00"
	inflateMax  = 256 << 20
)

// inflate returns the events of a row as they were before they were compressed, if they were.
func inflate(events []byte) ([]byte, error) {
	stream, ok := bytes.CutPrefix(events, []byte(deflated))
	if !ok {
		return events, nil
	}
	return io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(stream)), inflateMax))
}

// entriesOf reads the events of a row, which must not change any more.
func entriesOf(pack orchestrator.PackID, events []byte) ([]orchestrator.OutboxEntry, error) {
	events, err := inflate(events)
	if err != nil {
		return nil, fmt.Errorf("outbox of pack %s: %w: %w", pack, txn.ErrEncoding, err)
	}
	r := entryReader{rest: events}
	var all []orchestrator.OutboxEntry
	var topic, group string
	for len(r.rest) > 0 {
		e := orchestrator.OutboxEntry{Pack: pack, ID: r.number(), RecordedAt: txn.Millis(r.number())}
		if len(r.rest) == 0 || r.rest[0] > 1 || r.rest[0] == 0 && len(all) == 0 {
			return nil, fmt.Errorf("outbox of pack %s: %w", pack, txn.ErrEncoding)
		}
		other := r.rest[0] == 1
		r.rest = r.rest[1:]
		if other {
			topic, group = string(r.bytes()), string(r.bytes())
		}
		e.Topic, e.Group, e.Event = topic, group, slices.Clip(r.bytes())
		if r.bad {
			return nil, fmt.Errorf("outbox of pack %s: %w", pack, txn.ErrEncoding)
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("outbox of pack %s is empty: %w", pack, txn.ErrEncoding)
	}
	return all, nil
}

// wideRow is from how many bytes the events of a pack are sent by a prepared statement: these are neither escaped here
// nor scanned there, which for a large pack costs more than the statement of its own.
const wideRow = 8 << 10

// outboxRow is the row of a pack, or what is left of it.
type outboxRow struct {
	n      int
	oldest txn.Millis
	events []byte
}

// rowOf packs entries into a row.
func rowOf(entries []orchestrator.OutboxEntry) outboxRow {
	size := 0
	for i := range entries {
		size += len(entries[i].Event) + entryOverhead
	}
	row := outboxRow{n: len(entries), events: make([]byte, 0, size+256)}
	for i := range entries {
		e := &entries[i]
		if i == 0 || e.RecordedAt < row.oldest {
			row.oldest = e.RecordedAt
		}
		var before *orchestrator.OutboxEntry
		if i > 0 {
			before = &entries[i-1]
		}
		row.events = appendEntry(row.events, e, before)
	}
	if len(row.events) >= deflateFrom {
		if small := deflate.Append([]byte(deflated), row.events); small != nil {
			row.events = small
		}
	}
	return row
}

// trim reads the packs of which a part is cleared, and finds out what is left of them.
func (s *Store) trim(ctx context.Context, x executor, b *batch) error {
	l := newList(lockOutbox)
	for _, pack := range sortedPacks(b.clear.parts) {
		l.add([]byte(pack))
	}
	b.left = nil
	return s.query(ctx, x, lockOutbox, l, func(rows *sql.Rows) error {
		var name string
		var events []byte
		if err := rows.Scan(&name, &events); err != nil {
			return err
		}
		pack := orchestrator.PackID(name)
		entries, err := entriesOf(pack, events)
		if err != nil {
			return err
		}
		gone := b.clear.parts[pack]
		rest := slices.DeleteFunc(entries, func(e orchestrator.OutboxEntry) bool { return slices.Contains(gone, e.ID) })
		if len(rest) < len(entries) {
			b.left = append(b.left, leftover{pack, rowOf(rest)})
		}
		return nil
	})
}

// leftover is what is left of a pack of which a part was cleared.
type leftover struct {
	pack orchestrator.PackID
	row  outboxRow
}

func (s *Store) writeOutbox(ctx context.Context, x executor, b *batch) error {
	created, kept, removed := newList(insertOutbox), newList(updateOutbox), newList(deleteOutbox)
	for from := 0; from < len(b.events); {
		pack := b.events[from].pack
		var entries []orchestrator.OutboxEntry
		for ; from < len(b.events) && b.events[from].pack == pack; from++ {
			ch := b.events[from].ch
			entries = append(entries, orchestrator.OutboxEntry{
				ID: ch.Global.XID.ID, Topic: ch.Topic, Group: ch.Global.Group, Event: ch.Event,
				RecordedAt: ch.Global.DecidedAt,
			})
		}
		row := rowOf(entries)
		if tx, ok := x.(*sql.Tx); ok && len(row.events) >= wideRow {
			_, err := tx.StmtContext(ctx, s.insertWide).ExecContext(
				ctx, []byte(pack), int64(row.oldest), row.n, b.epoch, row.events)
			if err != nil {
				return err
			}
			continue
		}
		created.add([]byte(pack), int64(row.oldest), row.n, b.epoch, row.events)
	}
	for _, l := range b.left {
		if l.row.n == 0 {
			removed.add([]byte(l.pack))
		} else {
			kept.add([]byte(l.pack), int64(l.row.oldest), l.row.n, b.epoch, l.row.events)
		}
	}
	for _, pack := range b.clear.whole {
		removed.add([]byte(pack))
	}
	return s.statements(ctx, x, statement{insertOutbox, created}, statement{updateOutbox, kept},
		statement{deleteOutbox, removed})
}

var (
	insertOutbox = multi{
		`INSERT INTO concord_outbox (pack, recorded_at, n, epoch, events) VALUES `, `(?,?,?,?,?)`, ``,
	}
	// updateOutbox is only given rows that were read for update: all of them exist.
	updateOutbox = multi{
		insertOutbox.head, insertOutbox.group, ` ON DUPLICATE KEY UPDATE recorded_at = VALUES(recorded_at),
	n = VALUES(n), events = VALUES(events)`,
	}
	deleteOutbox = multi{
		`DELETE FROM concord_outbox WHERE pack IN (`, `?`, `) ORDER BY pack LIMIT `,
	}
	// lockOutbox reads by the primary key.
	lockOutbox = multi{
		`SELECT pack, events FROM concord_outbox FORCE INDEX (PRIMARY) WHERE pack IN (`, `?`, `) FOR UPDATE`,
	}
	// claimUnread takes those that nobody has taken yet, by the primary key.
	claimUnread = multi{
		`UPDATE concord_outbox FORCE INDEX (PRIMARY) SET claim_until = ?, claim = ?
	WHERE claim_until <= ? AND pack IN (`, `?`, `)`,
	}
	// readClaimed reads by the primary key.
	readClaimed = multi{
		`SELECT pack, events FROM concord_outbox WHERE claim = ? AND pack IN (`, `?`, `)`,
	}
)

const (
	// selectUnread reads the index k_recorded from its beginning.
	selectUnread = `SELECT pack, n FROM concord_outbox FORCE INDEX (k_recorded) WHERE recorded_at < ?
	AND claim_until <= ? ORDER BY recorded_at LIMIT ?`
	// selectOutboxState reads the index k_recorded and nothing else.
	selectOutboxState = `SELECT COALESCE(SUM(n), 0), COALESCE(MIN(recorded_at), 0) FROM concord_outbox
	FORCE INDEX (k_recorded)`
)

// Unread implements [orchestrator.PackStore]. Claims go by the database's time.
func (s *Store) Unread(
	ctx context.Context, before txn.Millis, claim time.Duration, limit int,
) (all []orchestrator.OutboxEntry, err error) {
	err = patiently(ctx, s.opts.RetryFor, func() error {
		all, err = s.unread(ctx, before, claim, min(limit, rowsMax))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	return all, nil
}

func (s *Store) unread(
	ctx context.Context, before txn.Millis, claim time.Duration, limit int,
) ([]orchestrator.OutboxEntry, error) {
	now := s.Now()
	var packs []any
	entries := 0
	err := each(ctx, s.pool, func(rows *sql.Rows) error {
		var pack []byte
		var n int
		err := rows.Scan(&pack, &n)
		if entries == 0 || entries+n <= limit {
			packs = append(packs, pack)
		}
		entries += n
		return err
	}, selectUnread, int64(before), int64(now), limit)
	if err != nil || len(packs) == 0 {
		return nil, err
	}
	token := s.claim()
	args := append([]any{int64(now.Add(claim)), token, int64(now)}, packs...)
	if _, err := s.pool.ExecContext(ctx, claimUnread.text(len(packs)), args...); err != nil {
		return nil, err
	}
	var all []orchestrator.OutboxEntry
	err = each(ctx, s.pool, func(rows *sql.Rows) error {
		more, err := scanOutbox(rows)
		all = append(all, more...)
		return err
	}, readClaimed.text(len(packs)), append([]any{token}, packs...)...)
	slices.SortStableFunc(all, func(a, b orchestrator.OutboxEntry) int {
		return int(min(max(a.RecordedAt-b.RecordedAt, -1), 1))
	})
	return all, err
}

// scanOutbox reads a row of pack and events.
func scanOutbox(rows *sql.Rows) ([]orchestrator.OutboxEntry, error) {
	var pack string
	var events []byte
	if err := rows.Scan(&pack, &events); err != nil {
		return nil, err
	}
	return entriesOf(orchestrator.PackID(pack), events)
}

// OutboxState implements [orchestrator.PackStore].
func (s *Store) OutboxState(ctx context.Context) (n int64, oldest txn.Millis, err error) {
	err = each(ctx, s.pool, func(rows *sql.Rows) error { return rows.Scan(&n, &oldest) }, selectOutboxState)
	if err != nil {
		return 0, 0, fmt.Errorf("read the state of the outbox: %w", err)
	}
	return n, oldest, nil
}
