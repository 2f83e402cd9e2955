package catalog

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// watch is a clock that is set by hand.
type watch struct{ now txn.Millis }

func (w *watch) Now() txn.Millis { return w.now }

func TestLoadingFails(t *testing.T) {
	t.Parallel()
	s, w := &shelf{all: map[string]orchestrator.Document{}}, &watch{now: 1_700_000_000_000}
	c := New(Options{Documents: s, Clock: w})
	publish(t, c, journey)
	for name, version := range map[string]uint32{"other": 1, "journey": 2, "trip": 0} {
		if err := load(c, name, version); !errors.Is(err, orchestrator.ErrNoDocument) {
			t.Errorf("%s %d: %v", name, version, err)
		}
	}
	publish(t, c, strings.Replace(journey, "/book", "/book2", 1))
	if err := load(c, "journey", 2); err != nil {
		t.Errorf("it was published meanwhile: %v", err)
	}
	s.fail = errors.New("disk")
	for range 3 {
		if err := load(c, "journey", 1); !errors.Is(err, s.fail) {
			t.Error(err)
		}
		w.now += txn.Millis(failurePauseFirst / time.Millisecond)
	}
	s.fail = nil
	if err := load(c, "journey", 1); err != nil {
		t.Error("a fault was remembered for longer than at first", err)
	}
	c.Close()
	if err := load(c, "journey", 3); !errors.Is(err, orchestrator.ErrStopped) {
		t.Error(err)
	}
}

func TestWhatCannotBeReadIsReadAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, w := &shelf{all: map[string]orchestrator.Document{}}, &watch{now: 1_700_000_000_000}
	c := New(Options{Documents: s, Clock: w, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	t.Cleanup(c.Close)
	publish(t, c, journey)
	s.mu.Lock()
	for key, d := range s.all { // as if a newer server had published it
		if d.Kind == textKind {
			d.Value = []byte(strings.Replace(journey, "saga: 1", "saga: 2", 1))
			s.all[key] = d
		}
	}
	s.mu.Unlock()
	for range 600_000 / 250 { // ten minutes
		if err := load(c, "journey", 1); !errors.Is(err, orchestrator.ErrUnreadable) {
			t.Fatal(err)
		}
		w.now += 250
	}
	told := strings.Count(log.String(), "level=ERROR")
	if told < 10 || told > 16 || !strings.Contains(log.String(), "version=1") || s.reads > 3*told+3 {
		t.Errorf("told %d times, %d readings:\n%s", told, s.reads, log.String())
	}
	for range 3 { // whoever asks himself gets the present answer, which is not in the log
		if _, _, err := c.Ready(t.Context(), "journey", 1); !errors.Is(err, orchestrator.ErrUnreadable) {
			t.Error(err)
		}
	}
	if again := strings.Count(log.String(), "level=ERROR"); again != told {
		t.Errorf("%d", again)
	}
	for n := range uint32(2 * failuresMax) {
		_ = load(c, "other", n+1)
	}
	if n := len(c.failures.all); n > failuresMax {
		t.Errorf("%d failures are kept", n)
	}
}
