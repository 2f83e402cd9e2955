package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/internal/sqlmissing"
)

// Outbox writes events. It has no state of its own; all methods may be called concurrently.
type Outbox struct{ source string }

// New makes an outbox for the table of migrations/client/0003_outbox.sql. The source is that of events that have none:
// a URI reference that says who tells, such as "/shop".
func New(source string) *Outbox { return &Outbox{source: source} }

// eventsMax is how many events one statement writes.
const eventsMax = 100

// Add writes events in the local transaction that they are about. They are published if, and only if, it commits: call
// [Relay.Wake] after that, if there is a relay in this process, and it need not wait for the next look. An id that is
// there already is an error of the database.
func (o *Outbox) Add(ctx context.Context, tx *sql.Tx, events ...Event) error {
	if tx == nil {
		return errors.New("outbox: events are written in a local transaction")
	}
	for len(events) > 0 {
		n := min(len(events), eventsMax)
		query, args, err := o.insert(events[:n], time.Now(), api.Traceparent(ctx))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("outbox: write events: %w", advised(err))
		}
		events = events[n:]
	}
	return nil
}

// insert makes the statement that writes events.
func (o *Outbox) insert(events []Event, now time.Time, trace string) (query string, args []any, err error) {
	for i, e := range events {
		if e = e.complete(o.source, now); e.Traceparent == "" {
			e.Traceparent = trace
		}
		if err := e.check(); err != nil {
			return "", nil, fmt.Errorf("outbox: event %d: %w", i, err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			return "", nil, fmt.Errorf("outbox: event %s: %w", e.ID, err)
		}
		args = append(args, e.ID, e.Topic, e.Key, text)
	}
	const row = "(?, ?, ?, ?, UTC_TIMESTAMP(3))"
	return "INSERT INTO concord_outbox (event_id, topic, ordering_key, event, created_at) VALUES " +
		strings.Repeat(row+", ", len(events)-1) + row, args, nil
}

// advised adds to the error of a missing table how it is made.
func advised(err error) error {
	if sqlmissing.Table(err) {
		return fmt.Errorf("%w; make the tables with `concord migrate client` or migrations/client/0003_outbox.sql", err)
	}
	return err
}
