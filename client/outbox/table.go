package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// row is an event in the table.
type row struct {
	seq      int64
	attempts int
	event    Event
	// underWay is the transaction that may have published it, or will.
	underWay string
	// wrong is why it cannot be read; the event has an id, a topic and a key all the same.
	wrong error
}

// held is what is not read, because an attempt at it has failed a moment ago, and what is up to after.
type held struct {
	after int64
	keys  []string
	seqs  []int64
}

// table is concord_outbox of a database.
type table struct {
	db          *sql.DB
	name, owner string
}

const (
	makeLease = "INSERT IGNORE INTO concord_outbox_lease (name, owner, term, ends_at) VALUES (?, '', 0, '2000-01-01')"
	takeLease = "UPDATE concord_outbox_lease SET owner = ?, term = term + 1, " +
		"ends_at = UTC_TIMESTAMP(3) + INTERVAL ? MICROSECOND " +
		"WHERE name = ? AND (owner = ? OR ends_at < UTC_TIMESTAMP(3))" // the primary key
	dropLease  = "UPDATE concord_outbox_lease SET owner = '', ends_at = '2000-01-01' WHERE name = ? AND owner = ?"
	noteFailed = "UPDATE concord_outbox SET attempts = attempts + ?, failure = ? WHERE id = ?"
	selectRows = "SELECT id, event_id, topic, ordering_key, event, attempts, failure FROM concord_outbox "
	countRows  = "SELECT COUNT(*), COALESCE(SUM(attempts > 0), 0), " +
		"COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(created_at), UTC_TIMESTAMP(3)), 0) FROM concord_outbox"
)

// lease takes or prolongs the right to publish.
func (t *table) lease(ctx context.Context, d time.Duration) (bool, error) {
	for range 2 {
		result, err := t.db.ExecContext(ctx, takeLease, t.owner, d.Microseconds(), t.name, t.owner)
		if err != nil {
			return false, fmt.Errorf("take the lease: %w", advised(err))
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return n > 0, err
		}
		result, err = t.db.ExecContext(ctx, makeLease, t.name)
		if err != nil {
			return false, fmt.Errorf("make the lease: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return false, err // another relay has it
		}
	}
	return false, nil
}

// release gives the lease back.
func (t *table) release(ctx context.Context) error {
	_, err := t.db.ExecContext(ctx, dropLease, t.name, t.owner)
	return err
}

// read returns the oldest events, in order, without those that are held.
func (t *table) read(ctx context.Context, most int, h held) ([]row, error) {
	args := []any{h.after}
	where := ""
	if len(h.keys) > 0 {
		where += " AND ordering_key NOT IN (" + marks(len(h.keys)) + ")"
		for _, k := range h.keys {
			args = append(args, k)
		}
	}
	if len(h.seqs) > 0 {
		where += " AND id NOT IN (" + marks(len(h.seqs)) + ")"
		for _, s := range h.seqs {
			args = append(args, s)
		}
	}
	return t.rows(ctx, selectRows+"WHERE id > ?"+where+" ORDER BY id LIMIT ?", append(args, most)) // the primary key
}

// find returns the events with these numbers, in order, as far as they are there.
func (t *table) find(ctx context.Context, seqs []int64) ([]row, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	args := make([]any, len(seqs))
	for i, s := range seqs {
		args[i] = s
	}
	return t.rows(ctx, selectRows+"WHERE id IN ("+marks(len(seqs))+") ORDER BY id", args) // the primary key
}

// rows reads events.
func (t *table) rows(ctx context.Context, query string, args []any) (all []row, err error) {
	rows, err := t.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r row
		var id, topic, key, failure string
		var text []byte
		if err := rows.Scan(&r.seq, &id, &topic, &key, &text, &r.attempts, &failure); err != nil {
			return nil, fmt.Errorf("read an event: %w", err)
		}
		if r.wrong = json.Unmarshal(text, &r.event); r.wrong != nil {
			r.wrong = fmt.Errorf("the stored event cannot be read: %w", r.wrong)
		}
		r.event.ID, r.event.Topic, r.event.Key, r.underWay = id, topic, key, noted(failure)
		all = append(all, r)
	}
	return all, rows.Err()
}

// remove deletes what is published.
func (t *table) remove(ctx context.Context, seqs []int64) error {
	args := make([]any, len(seqs))
	for i, s := range seqs {
		args[i] = s
	}
	_, err := t.db.ExecContext(ctx, "DELETE FROM concord_outbox WHERE id IN ("+marks(len(seqs))+")", args...)
	if err != nil {
		return fmt.Errorf("delete published events: %w", err)
	}
	return nil
}

// failed notes why an event is not known to be published, and how many attempts that counts for.
func (t *table) failed(ctx context.Context, seq int64, why error, attempts int) error {
	_, err := t.db.ExecContext(ctx, noteFailed, attempts, failureText(why), seq)
	return err
}

// count says how many events wait, how many of them have failed, and how old the oldest is.
func (t *table) count(ctx context.Context) (b Backlog, err error) {
	var micros int64
	if err = t.db.QueryRowContext(ctx, countRows).Scan(&b.Events, &b.Failing, &micros); err != nil {
		return b, fmt.Errorf("count events: %w", err)
	}
	b.Age = time.Duration(max(micros, 0)) * time.Microsecond
	return b, nil
}

// marks are n placeholders.
func marks(n int) string { return strings.Repeat("?, ", n-1) + "?" }
