package message_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/concord-tx/concord/client/message"
)

// says is a store that knows one answer.
type says struct {
	committed bool
	err       error
}

func (s says) Record(context.Context, *sql.Tx, string) error { return nil }

func (s says) Settle(_ context.Context, xid string) (bool, error) {
	if xid != "10.0.0.1:8091:7" {
		return false, errors.New("another xid: " + xid)
	}
	return s.committed, s.err
}

// TestNoIsSaidOnlyByTheDatabase looks at every answer: 409 rolls a message back, so nothing but the store may cause it.
func TestNoIsSaidOnlyByTheDatabase(t *testing.T) {
	t.Parallel()
	const xid = "10.0.0.1:8091:7"
	forged := func(*http.Request, []byte) error { return errors.New("forged") }
	for _, c := range []struct {
		name, method, xid, operation string
		store                        says
		verify                       func(*http.Request, []byte) error
		want                         int
	}{
		{"committed", "POST", xid, "check", says{committed: true}, nil, 200},
		{"refused", "POST", xid, "check", says{}, nil, 409},
		{"not known", "POST", xid, "check", says{err: errors.New("away")}, nil, 425},
		{"no xid", "POST", "", "check", says{}, nil, 400},
		{"no number", "POST", "10.0.0.1:8091:x", "check", says{}, nil, 400},
		{"another operation", "POST", xid, "commit", says{}, nil, 400},
		{"another method", "GET", xid, "check", says{}, nil, 405},
		{"forged", "POST", xid, "check", says{}, forged, 401},
		{"too long", "POST", strings.Repeat("1", 200) + ":8091:7", "check", says{}, nil, 400},
	} {
		query := url.Values{"concord-xid": {c.xid}, "concord-operation": {c.operation}}
		r := httptest.NewRequest(c.method, "/check?"+query.Encode(), nil)
		w := httptest.NewRecorder()
		message.CheckHandler(c.store, message.CheckOptions{Verify: c.verify}).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, not %d", c.name, w.Code, c.want)
		}
	}
}
