package rocketmq

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// The library has one logger and one panic handler for the whole process, neither of them safe to change once it runs.

// libraryLog is the process's logger of the library. It writes to the logger of the log that was opened last.
var libraryLog clientLog

// tameLibrary takes over the library's log, and keeps panics of its goroutines from ending the process.
func tameLibrary(to *slog.Logger) {
	libraryLog.to.Store(to)
	libraryLog.once.Do(func() {
		rlog.SetLogger(&libraryLog)
		primitive.PanicHandler = func(p any) {
			if l := libraryLog.to.Load(); l != nil {
				l.Error("goroutine of the rocketmq client panicked", "err", p)
			}
		}
	})
}

// clientLog passes on what matters, without payloads, and each text at most every ten seconds. It never exits.
type clientLog struct {
	once  sync.Once
	to    atomic.Pointer[slog.Logger]
	noise noise
}

func (c *clientLog) pass(level slog.Level, text string, fields map[string]any) {
	l := c.to.Load()
	if l == nil || text == "" {
		return
	}
	if level > slog.LevelDebug && !c.noise.first(text) {
		return
	}
	attrs := []any{"text", text}
	for _, name := range []string{
		rlog.LogKeyBroker, rlog.LogKeyTopic, rlog.LogKeyUnderlayError, "brokerName", "brokerAddr", "responseCode", "remark",
	} {
		if v, ok := fields[name]; ok {
			if err, isErr := v.(error); isErr {
				v = firstLine(err.Error())
			}
			attrs = append(attrs, name, v)
		}
	}
	l.Log(context.Background(), level, "rocketmq client says", attrs...)
}

// Debug drops what the library says at that level: a line for each request.
func (c *clientLog) Debug(string, map[string]any) {}

// Info goes to the debug level: routes and offsets, every few seconds.
func (c *clientLog) Info(text string, fields map[string]any) { c.pass(slog.LevelDebug, text, fields) }

// Warning goes to the debug level: what matters of it comes back as an error of the call.
func (c *clientLog) Warning(text string, fields map[string]any) {
	c.pass(slog.LevelDebug, text, fields)
}

// Error is a warning of ours, but for what is normal: a half that was rolled back.
func (c *clientLog) Error(text string, fields map[string]any) {
	if text == "executeLocalTransaction but state unexpected" {
		return
	}
	c.pass(slog.LevelWarn, text, fields)
}

// Fatal does not exit.
func (c *clientLog) Fatal(text string, fields map[string]any) {
	c.pass(slog.LevelError, text, fields)
}

// Level does nothing; the level is that of our logger.
func (c *clientLog) Level(string) {}

// OutputPath does nothing.
func (c *clientLog) OutputPath(string) error { return nil }

// noise lets each text through once in a while.
type noise struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// quietFor is how long a text is not repeated; textsMax bounds how many are remembered.
const (
	quietFor = 10 * time.Second
	textsMax = 256
)

func (n *noise) first(text string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if last, ok := n.last[text]; ok && now.Sub(last) < quietFor {
		return false
	}
	if n.last == nil || len(n.last) >= textsMax {
		n.last = map[string]time.Time{}
	}
	n.last[text] = now
	return true
}

// warn logs a warning unless the same was logged a moment ago.
func (n *noise) warn(to *slog.Logger, text string, attrs ...any) {
	if n.first(text) {
		to.Warn(text, attrs...)
	}
}
