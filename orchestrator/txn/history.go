package txn

import (
	"encoding/binary"
	"math/bits"
)

// History is the list of what happened to a transaction, packed: entries are appended, never changed. It grows with
// branches and with the logarithm of attempts, so it is bounded by the limit of branches.
type History []byte

// HistoryKind is what an entry tells.
type HistoryKind uint8

// The entries.
const (
	HistoryBegan       HistoryKind = 1 + iota // Text is empty
	HistoryRegistered                         // Branch joined; Text is its resource
	HistoryReported                           // Branch reported; Text is its state
	HistoryCommit                             // decided; Text is the cause, with the actor if a person
	HistoryRollback                           // decided
	HistoryAttempt                            // Branch failed an attempt; Text says how. Attempt 1, 2, 4, 8, … only
	HistoryFinished                           // Branch confirmed
	HistoryRefused                            // Branch refused for good; Text says why
	HistoryRetriesUsed                        // Branch used its budget up
	HistoryRetry                              // an operator asked to try again; Text is who
	HistoryEnded                              // the end
	HistorySkipped                            // an operator skipped Branch; Text is who
	HistoryReleased                           // an operator released the rows of Branch; Text is who
	HistoryStarted                            // a step began as Branch; Text is its name
	HistoryStepDone                           // the step Branch has run
	HistoryStepRefused                        // the step Branch has not run and never will; Text says why
	HistorySignal                             // the step Branch got its signal; Text is who gave it
	HistoryMoved                              // a saga goes on by another version; Text is which, and who wanted it
)

var historyNames = [...]string{
	HistoryBegan: "began", HistoryRegistered: "registered", HistoryReported: "reported",
	HistoryCommit: "commitDecided", HistoryRollback: "rollbackDecided", HistoryAttempt: "attemptFailed",
	HistoryFinished: "finished", HistoryRefused: "refused", HistoryRetriesUsed: "retriesUsedUp",
	HistoryRetry: "retryRequested", HistoryEnded: "ended", HistorySkipped: "skipped", HistoryReleased: "released",
	HistoryStarted: "stepStarted", HistoryStepDone: "stepDone", HistoryStepRefused: "stepRefused",
	HistorySignal: "signal", HistoryMoved: "moved",
}

// String returns the name that the API shows.
func (k HistoryKind) String() string {
	if int(k) < len(historyNames) && k > 0 {
		return historyNames[k]
	}
	return "unknown"
}

// HistoryEntry is one entry, unpacked.
type HistoryEntry struct {
	At     Millis
	Kind   HistoryKind
	Branch int64 // 0: the transaction itself
	Text   string
}

// AttemptPrefix begins the text of a failed attempt at a step of a saga, before its number, ": " and what it said.
const AttemptPrefix = "attempt "

// historyTextBytesMax bounds one entry's text.
const historyTextBytesMax = 256

// with returns h with an entry more. h itself stays as it is; its spare capacity may be used, which is sound because
// the states of one transaction follow each other in one line.
func (h History) with(at Millis, kind HistoryKind, branch int64, text string) History {
	text = clip(text, historyTextBytesMax)
	h = append(h, byte(kind))
	h = binary.AppendVarint(h, int64(at))
	h = binary.AppendVarint(h, branch)
	h = binary.AppendUvarint(h, uint64(len(text)))
	return append(h, text...)
}

// Entries unpacks h. A damaged tail is left out.
func (h History) Entries() []HistoryEntry {
	var out []HistoryEntry
	for len(h) > 0 {
		e := HistoryEntry{Kind: HistoryKind(h[0])}
		h = h[1:]
		at, n := binary.Varint(h)
		if n <= 0 {
			return out
		}
		e.At, h = Millis(at), h[n:]
		branch, n := binary.Varint(h)
		if n <= 0 {
			return out
		}
		e.Branch, h = branch, h[n:]
		size, n := binary.Uvarint(h)
		if n <= 0 || size > uint64(len(h)-n) {
			return out
		}
		e.Text, h = string(h[n:n+int(size)]), h[n+int(size):]
		out = append(out, e)
	}
	return out
}

// tellsAttempt reports whether a failed attempt is worth an entry: the first, and each power of two.
func tellsAttempt(attempt uint32) bool { return bits.OnesCount32(attempt) == 1 }

// clip shortens s to at most n bytes on a rune boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
