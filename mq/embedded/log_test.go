package embedded_test

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/vfs"
	"go.uber.org/goleak"

	"github.com/concord-tx/concord/mq/embedded"
	"github.com/concord-tx/concord/mq/mqtest"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/pebble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is the log on the embedded store, on a file system in memory that forgets what was not synced.
type harness struct {
	t     *testing.T
	ack   time.Duration // AckWithin
	fs    *vfs.MemFS
	store *pebble.Store
	log   *embedded.Log
}

func open(t *testing.T) *harness { return openPatient(t, 500*time.Millisecond) }

func openPatient(t *testing.T, ack time.Duration) *harness {
	h := &harness{t: t, ack: ack, fs: vfs.NewStrictMem()}
	h.open()
	return h
}

func (h *harness) open() {
	h.t.Helper()
	o := pebble.DefaultOptions()
	o.FS, o.MemTableBytes, o.CacheBytes = h.fs, 1<<20, 1<<20
	o.Fatal = func(err error) { h.t.Errorf("fatal: %v", err) }
	s, err := pebble.Open(context.Background(), "data", o)
	if err != nil {
		h.t.Fatal(err)
	}
	l, err := embedded.Open(s, s.Apply, embedded.Options{
		RetryFirst: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond, AttemptsMax: mqtest.GroupAttempts,
		AckWithin: h.ack, SaveEvery: 5 * time.Millisecond,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.store, h.log = s, l
}

func (h *harness) Store() orchestrator.Store     { return h.store }
func (h *harness) Log() orchestrator.DecisionLog { return h.log }
func (h *harness) Groups() mqtest.Groups         { return groups{h.log} }

func (h *harness) Published(t *testing.T) []mqtest.Event {
	t.Helper()
	var all []mqtest.Event
	err := h.store.ReadOutbox(0, func(_ uint64, xid int64, _ txn.Millis, topic string, event []byte) bool {
		all = append(all, mqtest.Event{XID: xid, Topic: topic, Event: event})
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (h *harness) Crash(t *testing.T) {
	t.Helper()
	h.fs.SetIgnoreSyncs(true)
	h.Close()
	h.fs.ResetToSyncedState()
	h.fs.SetIgnoreSyncs(false)
	h.open()
}

func (h *harness) Close() {
	if err := h.store.Close(); err != nil {
		h.t.Error(err)
	}
}

// groups gives the messages in the suite's type.
type groups struct{ *embedded.Log }

func (g groups) Poll(ctx context.Context, name string, limit int, wait time.Duration) ([]mqtest.Message, error) {
	got, err := g.Log.Poll(ctx, name, limit, wait)
	var all []mqtest.Message
	for _, m := range got {
		all = append(all, mqtest.Message{
			Seq: m.Seq, XID: m.XID, Topic: m.Topic, Event: m.Event, Attempt: m.Attempt, Receipt: m.Receipt,
		})
	}
	return all, err
}

func (g groups) DeadLetters(name string) ([]uint64, error) {
	got, err := g.Log.DeadLetters(name, 0, 100)
	var all []uint64
	for _, d := range got {
		all = append(all, d.Seq)
	}
	return all, err
}

func TestLog(t *testing.T) {
	t.Parallel()
	mqtest.Run(t, func(t *testing.T) mqtest.Harness { return open(t) })
}

func TestGroups(t *testing.T) {
	t.Parallel()
	mqtest.RunGroups(t, func(t *testing.T) mqtest.GroupHarness { return open(t) })
}
