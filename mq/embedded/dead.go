package embedded

import (
	"context"
	"fmt"
	"slices"

	"github.com/concord-tx/concord/orchestrator"
)

// DeadLetters returns up to limit dead letters of a group behind the entry after, in order; fewer if they are large,
// and none only if there are no more.
func (l *Log) DeadLetters(name string, after uint64, limit int) ([]orchestrator.EventLetter, error) {
	if _, err := l.group(name); err != nil {
		return nil, err
	}
	var out []orchestrator.EventLetter
	var bad error
	room := pollBytesMax
	lower, upper := deadKey(name, after+1), afterPrefix(namePrefix('d', name))
	err := l.storage.ReadState(lower, upper, func(_, value []byte) bool {
		if len(out) >= limit || room <= 0 {
			return false
		}
		e, err := decodeLetter(value)
		if err != nil {
			bad = err
			return false
		}
		room -= len(e.event)
		out = append(out, orchestrator.EventLetter{
			EventEntry: e.entry(), Attempts: e.attempts, FailedAt: e.failedAt, Reason: e.reason,
		})
		return true
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, fmt.Errorf("read dead letters of %s: %w", name, err)
	}
	return out, nil
}

// Replay gives a dead letter to its group again, at once, with a fresh budget of attempts.
func (l *Log) Replay(ctx context.Context, name string, seq uint64) error {
	g, e, err := l.dead(name, seq)
	if err != nil {
		return err
	}
	now := l.opts.Clock.Now()
	e.attempts = 0
	err = l.write(ctx, "replay a dead letter", [][]byte{deadKey(name, seq), retryKey(name, now, seq)},
		[][]byte{nil, e.encode()})
	if err != nil {
		return err
	}
	g.mu.Lock()
	if g.retryAt == 0 || now < g.retryAt {
		g.retryAt = now
	}
	g.broadcast()
	g.mu.Unlock()
	return nil
}

// Discard deletes a dead letter.
func (l *Log) Discard(ctx context.Context, name string, seq uint64) error {
	if _, _, err := l.dead(name, seq); err != nil {
		return err
	}
	return l.write(ctx, "discard a dead letter", [][]byte{deadKey(name, seq)}, [][]byte{nil})
}

func (l *Log) dead(name string, seq uint64) (*group, *letter, error) {
	g, err := l.group(name)
	if err != nil {
		return nil, nil, err
	}
	var e *letter
	key := deadKey(name, seq)
	var bad error
	err = l.storage.ReadState(key, append(slices.Clone(key), 0), func(_, value []byte) bool {
		e, bad = decodeLetter(value)
		return false
	})
	if err == nil {
		err = bad
	}
	if err == nil && e == nil {
		err = orchestrator.ErrNoLetter
	}
	if err != nil {
		return nil, nil, fmt.Errorf("dead letter %d of %s: %w", seq, name, err)
	}
	return g, e, nil
}
