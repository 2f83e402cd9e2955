package catalog

import (
	"errors"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// failures are the versions that were not read. Each event of each run of theirs asks for them again, so they are read,
// and told of in the log, at growing intervals.
type failures struct {
	mu  sync.Mutex
	all map[txn.SagaRun]*failure
}

// failure is what went wrong with one version, and until when that is the answer.
type failure struct {
	err   error
	pause time.Duration
	until txn.Millis
}

const (
	// failurePauseFirst is how long a failure is the answer at first; it doubles up to failurePauseMax. What went wrong
	// outside of the definition, such as with the database, is tried again after failurePauseFirst each time.
	failurePauseFirst = time.Second
	failurePauseMax   = time.Minute
	// failuresMax bounds the versions that are kept. More are forgotten, and read again at once.
	failuresMax = 1000
)

// known returns what went wrong with a version a short time ago.
func (f *failures) known(key txn.SagaRun, now txn.Millis) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.all[key]; known != nil && now < known.until {
		return known.err
	}
	return nil
}

// note keeps what went wrong and returns for how long that is the answer.
func (f *failures) note(key txn.SagaRun, err error, now txn.Millis) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.all[key]
	if known == nil {
		if len(f.all) >= failuresMax {
			clear(f.all)
		}
		known = &failure{}
		f.all[key] = known
	}
	known.err = err
	if lasting(err) && known.pause > 0 {
		known.pause = min(2*known.pause, failurePauseMax)
	} else {
		known.pause = failurePauseFirst
	}
	known.until = now.Add(known.pause)
	return known.pause
}

// forget has a version be read again at once.
func (f *failures) forget(key txn.SagaRun) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, key)
}

// lasting reports whether a definition will not be there by itself.
func lasting(err error) bool {
	return errors.Is(err, orchestrator.ErrNoDocument) || errors.Is(err, orchestrator.ErrUnreadable)
}

// tell notes what came of a reading.
func (c *Catalog) tell(key txn.SagaRun, err error) {
	if err == nil {
		c.failures.forget(key)
		return
	}
	pause := c.failures.note(key, err, c.clock.Now())
	attributes := []any{"definition", key.Definition, "version", key.Version, "err", err, "again", pause}
	if lasting(err) {
		c.logger.Error("definition of a saga cannot be read, its runs do not go on here", attributes...)
		return
	}
	c.logger.Warn("definition of a saga was not read", attributes...)
}
