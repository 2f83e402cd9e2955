package fence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// XIDBytesMax is the longest xid of a [Key]: what Seata's tables hold.
const XIDBytesMax = 128

// Key names one part of one transaction. It is what a record is found by, save for Action.
type Key struct {
	XID    string // the transaction, host:port:number; 1 to XIDBytesMax bytes
	Branch int64  // its part; 0 for events
	Action string // for people: what the part does. Stores cut it to what they hold
}

// Check returns an error if the key cannot be recorded.
func (k Key) Check() error {
	switch {
	case k.XID == "":
		return errors.New("fence: a key without an xid")
	case len(k.XID) > XIDBytesMax:
		return fmt.Errorf("fence: the xid has %d bytes; %d are the most", len(k.XID), XIDBytesMax)
	}
	return nil
}

// String is the key for people.
func (k Key) String() string { return fmt.Sprintf("%s/%d", k.XID, k.Branch) }

// EventKey returns the key of an event for one consumer: several consumers may share a table. The consumer's name and
// the id are readable in it if they are short and databases cannot take them for others, which compare without regard
// to case or to trailing blanks; otherwise it holds their sum.
func EventKey(consumer, id string) Key {
	text := consumer + "|" + id
	if len(text) > XIDBytesMax || !plain(consumer) || !plain(id) {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d|%s", len(consumer), text))
		text = "event#" + hex.EncodeToString(sum[:])
	}
	return Key{XID: text, Action: consumer}
}

// plain reports whether a text is equal only to itself under every collation.
func plain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == ':', c == '/', c == '_', c == '-':
		default:
			return false
		}
	}
	return text != ""
}

// ErrRefused is what every [RefusedError] is.
var ErrRefused = errors.New("refused by the fence")

// RefusedError says that work was not run, since what is recorded forbids it. Nothing was changed.
type RefusedError struct {
	Key   Key
	Event Event
	State State // what is recorded
}

// Error says what was refused and why.
func (e *RefusedError) Error() string {
	why := "the record says " + e.State.String()
	switch {
	case e.State == Absent:
		why = "there was no try"
	case e.State == Suspended && (e.Event == Try || e.Event == Action):
		why = "it comes too late, after its " + undo(e.Event).String()
	case e.Event == Forbid && e.State == Consumed:
		why = "it has happened"
	case e.State == Suspended && e.Event == Consume:
		why = "it was forbidden"
	case e.State == RolledBack && (e.Event == Try || e.Event == Action):
		why = "it was undone"
	}
	return fmt.Sprintf("%s of %s %s: %s", e.Event, e.Key, ErrRefused.Error(), why)
}

func undo(e Event) Event {
	if e == Try {
		return Cancel
	}
	return Compensation
}

// Is makes every RefusedError an [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// Final reports whether the same request will be refused for ever. A confirm for which nothing is recorded is not: a
// try that somebody has given up waiting for may still be under way.
func (e *RefusedError) Final() bool { return e.State != Absent }

// Barrier runs work behind a fence. Packages sqlfence and redisfence have some.
type Barrier interface {
	// Guard decides about an event and carries that out in one local transaction, which work finds in its context in
	// the way of the store. It returns Run if work has run and its local transaction is committed, Skip if there was
	// nothing to do, and an error otherwise: a *RefusedError, what work has returned, or what the store says. With any
	// other error than a *RefusedError nothing of work has happened, or, if the store has died while it committed,
	// nobody knows; asking again is safe and finds out. Work may be run again if the store has rolled it back because
	// of a conflict. It may be called from several goroutines, also for one key.
	Guard(ctx context.Context, key Key, event Event, work func(ctx context.Context) error) (Verdict, error)
}
