package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// A run that is begun with a key is begun once. The key is noted first, with the number that the run will have; then
// the run is begun with this number, which the runtime does once however often it is asked. Whoever comes back after a
// crash between the two finds the number, finds no run that has it, and goes on from there. So a run is neither lost
// nor made twice. When its record may be past retention nobody can say any more whether there was a run: then the noted
// number counts as begun, and the key begins nothing for as long as it is kept. That takes no write beyond the first.

// runKeyKind is the kind of the documents that hold keys.
const runKeyKind = "saga-key"

const (
	// runKeySlack is how long a key is kept beyond the deadline of its run and the time for which records are kept.
	runKeySlack = 30 * 24 * time.Hour
	// runKeyClaim is how long a start may be under way: twice as long as any lasts.
	runKeyClaim = 2 * answerWait
	// runKeyTries is how often a start looks again because somebody else is just noting the key, which is seen when it is
	// durable; runKeyPause is how long it waits the first time, and twice as long each time.
	runKeyTries = 9
	runKeyPause = 5 * time.Millisecond
)

// runKey is the value of a document.
type runKey struct {
	// ID is the number of the run, Version that of the definition.
	ID      int64  `json:"id"`
	Version uint32 `json:"version"`
	// Input is a hash.
	Input string     `json:"input"`
	At    txn.Millis `json:"at"`
	// Kept is how long records were kept, in milliseconds, when the key was noted: until then no record means no run.
	Kept int64 `json:"kept"`
}

// keyTakenError says which run has the key.
type keyTakenError struct{ id int64 }

// Error names the run.
func (e *keyTakenError) Error() string { return fmt.Sprintf("It is run %d.", e.id) }

// runGoneError says which run had the key.
type runGoneError struct{ id int64 }

// Error names the run.
func (e *runGoneError) Error() string { return fmt.Sprintf("It was run %d.", e.id) }

// runKeyName is the key of the document. No name of a saga has a slash.
func runKeyName(saga, key string) string { return saga + "/" + hashText(key) }

// keyOfRun reads a key, nil if there is none, and the version of its document.
func (s *Server) keyOfRun(ctx context.Context, saga, key string) (*runKey, uint64, error) {
	if s.o.Documents == nil {
		return nil, 0, nil
	}
	d, err := s.o.Documents.GetDocument(ctx, runKeyKind, runKeyName(saga, key))
	if errors.Is(err, orchestrator.ErrNoDocument) {
		return nil, 0, nil
	}
	var known runKey
	if err == nil {
		err = json.Unmarshal(d.Value, &known)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read key of a run of %s: %w", saga, err)
	}
	return &known, d.Version, nil
}

// versionOfKey returns the version with which a run was begun that has the key and the input, for whoever asks again
// when the newest version takes other inputs; otherwise why.
func (s *Server) versionOfKey(ctx context.Context, body *sagaStart, input string, why error) (uint32, error) {
	if body.Key == nil {
		return 0, why
	}
	known, _, err := s.keyOfRun(ctx, body.Saga, *body.Key)
	switch {
	case err != nil:
		return 0, err
	case known == nil || known.Input != hashText(input):
		return 0, why
	}
	return known.Version, nil
}

// startKeyed begins a run that has a key, or returns the one that has it already. Errors: [*keyTakenError],
// [*runGoneError], those of the runtime.
func (s *Server) startKeyed(
	ctx context.Context, req orchestrator.SagaRequest,
) (g *txn.Global, fresh bool, err error) {
	input := hashText(req.Data)
	for try := range runKeyTries {
		asked := s.o.Clock.Now()
		own := runKey{Version: req.Run.Version, Input: input, At: asked, Kept: s.recordsKept().Milliseconds()}
		known, version, err := s.keyOfRun(ctx, req.Run.Definition, req.Run.Key)
		if err != nil {
			return nil, false, err
		}
		if known != nil {
			g, err := await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.Get(known.ID, done) })
			same := known.Input == input
			switch {
			case err == nil && same && g.Version == 0: // somebody is just beginning it, and nothing is stored yet
				req.ID, req.Run.Version = known.ID, known.Version
				g, _, err = s.startNoted(ctx, req)
				return g, false, err
			case err == nil && same:
				return g, false, nil
			case err == nil:
				return nil, false, &keyTakenError{known.ID}
			case !errors.Is(err, orchestrator.ErrNotFound):
				return nil, false, err
			}
			age := time.Duration(asked-known.At) * time.Millisecond
			switch {
			case age >= min(s.recordsKept(), time.Duration(known.Kept)*time.Millisecond): // there may have been a run
				return nil, false, &runGoneError{known.ID}
			case same && age < runKeyClaim/2: // nobody has begun it, or may have the key before this ends
				req.ID, req.Run.Version = known.ID, known.Version
				return s.startNoted(ctx, req)
			case same: // it is noted anew, so that nobody else takes the key meanwhile
				own.ID, own.Version = known.ID, known.Version
			case age < runKeyClaim: // whoever noted the key may be about to begin
				return nil, false, &keyTakenError{known.ID}
			}
		}
		if own.ID == 0 {
			if own.ID, err = s.o.Coordinator.ReserveID(); err != nil {
				return nil, false, err
			}
		}
		err = s.put(ctx, runKeyKind, runKeyName(req.Run.Definition, req.Run.Key), version+1, own,
			asked.Add(req.Timeout+s.recordsKept()+runKeySlack))
		switch {
		case err == nil:
			req.ID, req.Run.Version = own.ID, own.Version
			return s.startNoted(ctx, req)
		case !errors.Is(err, orchestrator.ErrConflict):
			return nil, false, err
		}
		pause := time.NewTimer(runKeyPause << try)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, false, ctx.Err()
		}
	}
	return nil, false, orchestrator.ErrBusy
}

// startNoted begins a run whose number is noted.
func (s *Server) startNoted(
	ctx context.Context, req orchestrator.SagaRequest,
) (g *txn.Global, fresh bool, err error) {
	g, err = await(ctx, func(done func(*txn.Global, error)) { s.o.Coordinator.StartSaga(req, done) })
	return g, err == nil, err
}

// recordsKept is how long records of ended transactions are kept at least.
func (s *Server) recordsKept() time.Duration {
	if s.o.Retention > 0 {
		return s.o.Retention
	}
	return retentionLeast
}

// retentionLeast is the shortest time for which records can be kept.
const retentionLeast = 10 * time.Minute
