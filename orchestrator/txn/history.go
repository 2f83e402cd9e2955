package txn

import (
	"encoding/binary"
	"math/bits"
	"time"
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
	HistoryAttempt                            // Branch failed an attempt; Text says how. Attempts 1 to 8, 16, 32, … only
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
	// Attempt is the number of the attempt that the entry is the end of, 0 if it is none or that is not known. Took is how
	// long the answer took, at least a millisecond; 0 says that it is not known.
	Attempt uint32
	Took    time.Duration
}

// AttemptPrefix begins the text of a failed attempt at a step of a saga, before its number, ": " and what it said.
const AttemptPrefix = "attempt "

// historyTextBytesMax bounds one entry's text.
const historyTextBytesMax = 256

// historyTimed is set in the kind of an entry that has the number of its attempt and how long that took, in
// milliseconds, before its text.
const historyTimed = 0x80

// timing is what is known of an attempt that has ended.
type timing struct {
	branch  int64
	attempt uint32
	took    Millis
}

// with returns h with an entry more. h itself stays as it is; its spare capacity may be used, which is sound because
// the states of one transaction follow each other in one line.
func (h History) with(at Millis, kind HistoryKind, branch int64, text string, t timing) History {
	text = clip(text, historyTextBytesMax)
	timed := t.took > 0 && t.branch == branch && kind.endsAttempt()
	if timed {
		kind |= historyTimed
	}
	h = append(h, byte(kind))
	h = binary.AppendVarint(h, int64(at))
	h = binary.AppendVarint(h, branch)
	if timed {
		h = binary.AppendUvarint(h, uint64(t.attempt))
		h = binary.AppendUvarint(h, uint64(t.took))
	}
	h = binary.AppendUvarint(h, uint64(len(text)))
	return append(h, text...)
}

// endsAttempt reports whether an entry tells of the end of an attempt.
func (k HistoryKind) endsAttempt() bool {
	switch k {
	case HistoryAttempt, HistoryFinished, HistoryRefused, HistoryStepDone, HistoryStepRefused:
		return true
	}
	return false
}

// Entries unpacks h. A damaged tail is left out.
func (h History) Entries() []HistoryEntry {
	var out []HistoryEntry
	for len(h) > 0 {
		e := HistoryEntry{Kind: HistoryKind(h[0] &^ historyTimed)}
		r := historyReader{rest: h[1:]}
		timed := h[0]&historyTimed != 0
		e.At, e.Branch = Millis(r.varint()), r.varint()
		if timed {
			e.Attempt = uint32(r.uvarint())
			e.Took = time.Duration(r.uvarint()) * time.Millisecond
		}
		e.Text = r.text()
		if r.damaged {
			return out
		}
		h = r.rest
		out = append(out, e)
	}
	return out
}

// historyReader takes an entry apart.
type historyReader struct {
	rest    History
	damaged bool
}

func (r *historyReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *historyReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *historyReader) skip(n int) {
	if n <= 0 {
		r.rest, r.damaged = nil, true
		return
	}
	r.rest = r.rest[n:]
}

func (r *historyReader) text() string {
	size := r.uvarint()
	if r.damaged || size > uint64(len(r.rest)) {
		r.damaged = true
		return ""
	}
	text := string(r.rest[:size])
	r.rest = r.rest[size:]
	return text
}

// attemptsTold is how many failed attempts at a branch have an entry each; of those after them each power of two has.
const attemptsTold = 8

// tellsAttempt reports whether a failed attempt is worth an entry.
func tellsAttempt(attempt uint32) bool {
	return attempt <= attemptsTold || bits.OnesCount32(attempt) == 1
}

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
