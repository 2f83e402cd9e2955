package redisfence

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/concord-tx/concord/client/fence"
)

const (
	broken      = "!" // the record of a step that was done in part
	attemptsMax = 50  // of a transaction whose watched keys were changed by others
	pauseMax    = 20 * time.Millisecond
	markTimeout = 5 * time.Second
)

// Retention says for how long records are kept after their last change. It has to be longer than requests can be late
// or repeated. Records of a try that is neither confirmed nor cancelled are kept for ever.
type Retention struct {
	Finished time.Duration // confirmed, cancelled, compensated, suspended [7 days]
	Steps    time.Duration // of sagas, done: longer than the longest saga [30 days]
	Events   time.Duration // consumed: longer than the broker, or Concord, keeps events [7 days]
}

// Options of a [Store]. All may be left out.
type Options struct {
	Prefix    string // of the records' keys, "concord:fence:" if empty
	Retention Retention
}

// Store is a fence in Redis. Its methods may be called concurrently.
type Store struct {
	client redis.UniversalClient
	o      Options
	tag    string
}

var _ fence.Barrier = (*Store)(nil)

// New returns the store of a client. It does not ask Redis anything.
func New(client redis.UniversalClient, o Options) (*Store, error) {
	if client == nil {
		return nil, errors.New("redisfence: there is no client")
	}
	if o.Prefix == "" {
		o.Prefix = "concord:fence:"
	}
	if strings.ContainsAny(o.Prefix, "{}") {
		return nil, fmt.Errorf("redisfence: prefix %q has a hash tag; use At", o.Prefix)
	}
	const day = 24 * time.Hour
	r := &o.Retention
	for keep, usual := range map[*time.Duration]time.Duration{
		&r.Finished: 7 * day, &r.Steps: 30 * day, &r.Events: 7 * day,
	} {
		if *keep == 0 {
			*keep = usual
		}
		if *keep < time.Second {
			return nil, fmt.Errorf("redisfence: a retention of %s is too short", *keep)
		}
	}
	return &Store{client: client, o: o}, nil
}

// At returns the store whose records have a hash tag, so that a cluster has them in the slot of keys with the same one.
// All requests for one key need the same tag.
func (s *Store) At(tag string) *Store {
	at := *s
	at.tag = tag
	return &at
}

// Record returns the Redis key of a record.
func (s *Store) Record(key fence.Key) string {
	tag := ""
	if s.tag != "" {
		tag = "{" + s.tag + "}:"
	}
	return s.o.Prefix + tag + strconv.FormatInt(key.Branch, 10) + ":" + key.XID
}

// keep returns when a record of a state expires; 0 is never.
func (s *Store) keep(state fence.State) time.Duration {
	switch state {
	case fence.Committed, fence.RolledBack, fence.Suspended:
		return s.o.Retention.Finished
	case fence.Done:
		return s.o.Retention.Steps
	case fence.Consumed:
		return s.o.Retention.Events
	}
	return 0
}

// PartialError says that some commands of a step have happened and others have not. Nothing will be done for the record
// any more until a person has mended the data and deleted or set the record.
type PartialError struct {
	Key    fence.Key
	Event  fence.Event
	Record string // its key in Redis
	Err    error  // what Redis has refused; nil if that was earlier
}

// Error says what is to be mended.
func (e *PartialError) Error() string {
	text := fmt.Sprintf("%s of %s: its step was done in part, mend the data and the record %q", e.Event, e.Key, e.Record)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what Redis has said.
func (e *PartialError) Unwrap() error { return e.Err }

// Work reads with tx and writes with pipe, which only queues: its commands are executed together with the record when
// work has returned, and not at all if a watched key has changed. What tx reads has to be watched, before it is read:
// by the arguments of [Store.Do], or tx.Watch.
type Work func(ctx context.Context, tx *redis.Tx, pipe redis.Pipeliner) error

// Do decides about an event, and if that is the verdict has work queue its commands. If a watched key was changed by
// others it begins anew, work included, up to 50 times. Errors are a *fence.RefusedError, a *PartialError, what work
// has returned, or what the connection says; after the last nobody knows, and asking again is safe.
func (s *Store) Do(
	ctx context.Context, key fence.Key, event fence.Event, work Work, watch ...string,
) (fence.Verdict, error) {
	if err := check(key, event); err != nil {
		return 0, err
	}
	record := s.Record(key)
	for attempt := 1; ; attempt++ {
		var verdict fence.Verdict
		err := s.client.Watch(ctx, func(tx *redis.Tx) (err error) {
			verdict, err = s.step(ctx, tx, key, event, work)
			return err
		}, append([]string{record}, watch...)...)
		if err == nil {
			return verdict, nil
		}
		if !errors.Is(err, redis.TxFailedErr) || attempt == attemptsMax {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s of %s: %w", event, key, ctx.Err())
		case <-time.After(rand.N(min(pauseMax, time.Millisecond<<min(attempt, 10)))):
		}
	}
}

func check(key fence.Key, event fence.Event) error {
	if err := key.Check(); err != nil {
		return err
	}
	if !event.Valid() {
		return fmt.Errorf("redisfence: there is no event %d", event)
	}
	return nil
}

// step is one attempt, under WATCH.
func (s *Store) step(
	ctx context.Context, tx *redis.Tx, key fence.Key, event fence.Event, work Work,
) (fence.Verdict, error) {
	record := s.Record(key)
	text, err := tx.Get(ctx, record).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("read the fence of %s: %w", key, err)
	}
	state, err := parse(text)
	if err != nil {
		return 0, fmt.Errorf("read the fence of %s: %w", key, err)
	}
	if text == broken {
		return 0, &PartialError{Key: key, Event: event, Record: record}
	}
	next, verdict := fence.Decide(state, event)
	if verdict == fence.Refuse {
		return 0, &fence.RefusedError{Key: key, Event: event, State: state}
	}
	if next == state {
		return verdict, nil
	}
	pipe, queued := tx.TxPipeline(), tx.TxPipeline()
	if verdict == fence.Run {
		if err := work(ctx, tx, queued); err != nil {
			return 0, err
		}
	}
	// The record is the first: go-redis gives the error of the first command to all that have none.
	set := pipe.Set(ctx, record, format(next), s.keep(next))
	commands := queued.Cmds()
	if err := pipe.BatchProcess(ctx, commands...); err != nil {
		return 0, fmt.Errorf("%s of %s: %w", event, key, err)
	}
	if _, err := pipe.Exec(ctx); set.Err() != nil {
		return 0, fmt.Errorf("%s of %s: %w", event, key, err)
	}
	for _, command := range commands {
		if err := command.Err(); err != nil && !errors.Is(err, redis.Nil) {
			err = errors.Join(fmt.Errorf("%s: %w", command.Name(), err), mark(ctx, tx, record))
			return 0, &PartialError{Key: key, Event: event, Record: record, Err: err}
		}
	}
	return verdict, nil
}

// mark notes that a step was done in part, also if ctx has ended meanwhile.
func mark(ctx context.Context, tx *redis.Tx, record string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTimeout)
	defer cancel()
	if err := tx.Set(ctx, record, broken, 0).Err(); err != nil {
		return fmt.Errorf("mark the record: %w", err)
	}
	return nil
}

func format(s fence.State) string { return strconv.Itoa(int(s)) }

// parse reads a record; a missing one is "".
func parse(text string) (fence.State, error) {
	switch {
	case text == "", text == broken:
		return fence.Absent, nil
	case len(text) == 1 && text[0] >= '1' && text[0] <= '0'+byte(fence.Consumed):
		return fence.State(text[0] - '0'), nil
	}
	return 0, fmt.Errorf("%.20q is no record", text)
}

// here is what work of Guard finds in its context.
type here struct {
	tx   *redis.Tx
	pipe redis.Pipeliner
}

type hereKey struct{}

// Tx returns the connection on which work of [Store.Guard] reads, after it has watched what it reads; nil elsewhere.
func Tx(ctx context.Context) *redis.Tx {
	h, _ := ctx.Value(hereKey{}).(here)
	return h.tx
}

// Pipe returns where work of [Store.Guard] queues what it writes; nil elsewhere.
func Pipe(ctx context.Context) redis.Pipeliner {
	h, _ := ctx.Value(hereKey{}).(here)
	return h.pipe
}

// Guard is [Store.Do] for those who do not know which store they have: work finds [Tx] and [Pipe].
func (s *Store) Guard(
	ctx context.Context, key fence.Key, event fence.Event, work func(ctx context.Context) error,
) (fence.Verdict, error) {
	return s.Do(ctx, key, event, func(ctx context.Context, tx *redis.Tx, pipe redis.Pipeliner) error {
		return work(context.WithValue(ctx, hereKey{}, here{tx, pipe}))
	})
}
