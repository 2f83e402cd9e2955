package outbox

import (
	"context"
	"errors"
	"strings"
)

// An event is under way if a transaction that publishes it was asked to commit and has not ended as far as is known. A
// second one would publish it twice, so that its next attempt goes on with the first. The row's failure says which one
// that is, so that any relay finds it.

// underWayError says that an event is not known to be published, and that a transaction may do that yet.
type underWayError struct {
	XID string
	Err error
	// published are the ids of those events of the transaction that are out already.
	published map[string]bool
}

const underWayPrefix = "under way in transaction "

// Error names the transaction first: the text is what a table remembers.
func (e *underWayError) Error() string { return underWayPrefix + e.XID + ": " + e.Err.Error() }

// Unwrap returns why it is not known.
func (e *underWayError) Unwrap() error { return e.Err }

// errorOf returns what err, which is that of a transaction, says about one of its events.
func errorOf(id string, err error) error {
	var u *underWayError
	if errors.As(err, &u) && u.published[id] {
		return nil
	}
	return err
}

// underWay returns the transaction that an error names, or "".
func underWay(err error) string {
	var u *underWayError
	if errors.As(err, &u) {
		return u.XID
	}
	return ""
}

// failureMax is how long a failure in the table is, in characters.
const failureMax = 500

// failureText is what a table remembers of a failure; see noted.
func failureText(err error) string {
	text := err.Error()
	if xid := underWay(err); xid != "" && !strings.HasPrefix(text, underWayPrefix+xid+": ") {
		text = underWayPrefix + xid + ": " + text
	}
	if runes := []rune(text); len(runes) > failureMax {
		text = string(runes[:failureMax])
	}
	return strings.ToValidUTF8(text, "?")
}

// noted returns the transaction that the failure in a table names, or "".
func noted(failure string) string {
	rest, ok := strings.CutPrefix(failure, underWayPrefix)
	xid, _, more := strings.Cut(rest, ": ")
	if !ok || !more {
		return ""
	}
	return xid
}

type underWayKey struct{}

// withUnderWay tells a publisher, through whatever is in front of it, in which transactions events are under way, by
// their ids.
func withUnderWay(ctx context.Context, xids map[string]string) context.Context {
	if len(xids) == 0 {
		return ctx
	}
	return context.WithValue(ctx, underWayKey{}, xids)
}

func underWayOf(ctx context.Context) map[string]string {
	xids, _ := ctx.Value(underWayKey{}).(map[string]string)
	return xids
}
