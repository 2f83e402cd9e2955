package httpfence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/concord-tx/concord/client/fence"
)

// Call is what a request says about itself: its signed parameters.
type Call struct {
	XID       string
	Branch    int64
	Operation string // try, confirm, cancel, commit, rollback, forward or compensate
	Attempt   int    // counts from 1; 0 if it is not told
}

// The query parameters. docs/PARTICIPANTS.md, "What arrives".
const (
	paramXID       = "concord-xid"
	paramBranch    = "concord-branch"
	paramOperation = "concord-operation"
	paramAttempt   = "concord-attempt"
)

// Parse reads the parameters of a request. It does not verify anything.
func Parse(r *http.Request) (Call, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Call{}, fmt.Errorf("httpfence: read the query: %w", err)
	}
	for _, name := range []string{paramXID, paramBranch, paramOperation, paramAttempt} {
		if len(query[name]) > 1 {
			return Call{}, fmt.Errorf("httpfence: there is more than one %s", name)
		}
	}
	c := Call{XID: query.Get(paramXID), Operation: query.Get(paramOperation)}
	if c.XID == "" || len(c.XID) > fence.XIDBytesMax {
		return Call{}, errors.New("httpfence: the request has no xid, or a long one")
	}
	if c.Branch, err = strconv.ParseInt(query.Get(paramBranch), 10, 64); err != nil {
		return Call{}, fmt.Errorf("httpfence: %s is no number", paramBranch)
	}
	if text := query.Get(paramAttempt); text != "" {
		if c.Attempt, err = strconv.Atoi(text); err != nil {
			return Call{}, fmt.Errorf("httpfence: %s is no number", paramAttempt)
		}
	}
	return c, nil
}

// Name adds the parameters to a URL, for a request that a service sends itself: the try of a branch whose other
// operations the coordinator asks for.
func (c Call) Name(u *url.URL) {
	query := url.Values{
		paramXID: {c.XID}, paramBranch: {strconv.FormatInt(c.Branch, 10)}, paramOperation: {c.Operation},
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += query.Encode()
}

// Event returns what a call means for a fence; false if its operation is none of those that can be fenced.
func (c Call) Event() (fence.Event, bool) {
	switch c.Operation {
	case "try":
		return fence.Try, true
	case "confirm", "commit":
		return fence.Confirm, true
	case "cancel", "rollback":
		return fence.Cancel, true
	case "forward":
		return fence.Action, true
	case "compensate":
		return fence.Compensation, true
	}
	return 0, false
}

// once is the key under which each operation is an event of its own.
func (c Call) once() fence.Key {
	return fence.EventKey("http", fmt.Sprintf("%s/%d/%s", c.XID, c.Branch, c.Operation))
}

type callKey struct{}

// FromContext returns the call that a handler behind a fence was called with; false elsewhere.
func FromContext(ctx context.Context) (Call, bool) {
	c, ok := ctx.Value(callKey{}).(Call)
	return c, ok
}
