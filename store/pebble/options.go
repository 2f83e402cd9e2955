package pebble

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	cockroach "github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/bloom"
	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/orchestrator"
)

// Options are the parameters of [Open]. Start from [DefaultOptions]: a zero DiskReserveBytes means that there is none.
type Options struct {
	// FS is the file system; nil is the machine's.
	FS vfs.FS
	// Clock is the time by which retention goes; nil is the machine's.
	Clock orchestrator.Clock
	// Logger gets what Pebble and the store have to say; nil discards it.
	Logger *slog.Logger
	// Fatal is called once if the log cannot be written or synced, or a background write fails: the process must end,
	// since nobody can say what is durable. It may be called from any goroutine, and should not return.
	Fatal func(error)
	// Retention is how long ended transactions and outbox entries are kept, at least [RetentionMin].
	Retention time.Duration
	// RetentionEvery is the pause between two looks for what is past retention; 0 means a minute.
	RetentionEvery time.Duration
	// DiskReserveBytes is the free space below which no new work is accepted; 0 turns the watch off.
	DiskReserveBytes uint64
	// DiskFree tells how many bytes are free; nil asks FS.
	DiskFree func() (uint64, error)
	// DiskEvery is the pause between two looks; 0 means a second.
	DiskEvery time.Duration
	// QueueChanges and QueueBytes bound the changes that are not durable yet; beyond them Apply answers ErrBusy.
	QueueChanges, QueueBytes int
	// CacheBytes is the size of the block cache, MemTableBytes of one of up to four memtables.
	CacheBytes    int64
	MemTableBytes uint64
}

// RetentionMin is the least time for which the outcome of an ended transaction is known: Seata clients repeat an end
// request for minutes.
const RetentionMin = 10 * time.Minute

// DefaultOptions is what the documentation promises.
func DefaultOptions() Options {
	return Options{
		Retention:        72 * time.Hour,
		DiskReserveBytes: 1 << 30,
		QueueChanges:     1 << 16,
		QueueBytes:       128 << 20,
		CacheBytes:       128 << 20,
		MemTableBytes:    64 << 20,
	}
}

// withDefaults fills what is missing.
func (o Options) withDefaults() Options {
	d := DefaultOptions()
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Clock == nil {
		o.Clock = orchestrator.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Retention == 0 {
		o.Retention = d.Retention
	}
	o.Retention = max(o.Retention, RetentionMin)
	if o.RetentionEvery == 0 {
		o.RetentionEvery = time.Minute
	}
	if o.DiskEvery == 0 {
		o.DiskEvery = time.Second
	}
	if o.QueueChanges == 0 {
		o.QueueChanges = d.QueueChanges
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = d.QueueBytes
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = d.CacheBytes
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = d.MemTableBytes
	}
	return o
}

// memTablesMax is how many memtables there may be: one that is written and the rest waiting for their flush.
const memTablesMax = 4

// pebbleOptions tunes Pebble for very many small keys that are written in order within each space, and rewritten or
// deleted while they are still in the memtable. Measured with BenchmarkLifeCycle and, for the compactions, with bench's
// suite live: every flush touches all spaces, so whole tables and few levels would have the records of idle live
// transactions rewritten with every second flush. Tables are cut small, and L0 is let grow before it is compacted.
func pebbleOptions(o Options, cache *cockroach.Cache, fatal func(error)) *cockroach.Options {
	logger := pebbleLogger{log: o.Logger, fatal: fatal}
	opts := &cockroach.Options{
		FS:                          o.FS,
		Cache:                       cache,
		FormatMajorVersion:          cockroach.FormatNewest,
		MemTableSize:                o.MemTableBytes,
		MemTableStopWritesThreshold: memTablesMax,
		L0CompactionThreshold:       16,
		L0StopWritesThreshold:       64,
		LBaseMaxBytes:               64 << 20,
		FlushSplitBytes:             1 << 20,
		BytesPerSync:                1 << 20,
		MaxConcurrentCompactions:    func() int { return 2 },
		Logger:                      logger,
		EventListener: &cockroach.EventListener{
			BackgroundError: func(err error) {
				if !strings.Contains(err.Error(), cockroach.ErrCancelledCompaction.Error()) {
					fatal(fmt.Errorf("write tables: %w", err))
				}
			},
			WriteStallBegin: func(i cockroach.WriteStallBeginInfo) {
				o.Logger.Warn("store stalls writes", "reason", i.Reason)
			},
			WriteStallEnd: func() { o.Logger.Info("store takes writes again") },
		},
	}
	size := int64(2 << 20)
	for range 7 {
		opts.Levels = append(opts.Levels, cockroach.LevelOptions{
			BlockSize: 16 << 10, TargetFileSize: size, FilterPolicy: bloom.FilterPolicy(10),
		})
		size = min(2*size, 128<<20)
	}
	return opts
}

// pebbleLogger passes on what Pebble has to say.
type pebbleLogger struct {
	log   *slog.Logger
	fatal func(error)
}

// Infof implements Pebble's Logger.
func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble says", "text", fmt.Sprintf(format, args...))
}

// Errorf implements Pebble's Logger.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("pebble says", "text", fmt.Sprintf(format, args...))
}

// Fatalf implements Pebble's Logger. Pebble calls it when it cannot go on.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.fatal(fmt.Errorf(format, args...))
}
