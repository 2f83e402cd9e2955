package saga_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/saga"
)

// TestWhoStopsWaitingIsToldWhereTheRunIs has a run seen once, and then nobody wait for it any more.
func TestWhoStopsWaitingIsToldWhereTheRunIs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	seen := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/api/v1/sagas/runs/"):
			seen = true
			_, _ = w.Write([]byte(`{"xid": "h:1:2", "status": "RollingBack", "steps": [
				{"name": "pay", "state": "done", "undo": {"state": "done"}},
				{"name": "hold", "state": "unknown", "undo": {"state": "done"}},
				{"name": "book[0]", "state": "done", "undo": {"state": "retrying"}},
				{"name": "book[1]", "state": "running"},
				{"name": "mail", "state": "refused"}]}`))
		case seen:
			cancel()
			<-r.Context().Done()
		default:
			_, _ = w.Write([]byte(`{}`))
		}
	}))
	defer server.Close()
	c, err := api.New(api.Options{Endpoints: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, err = saga.NewClient(c).Await(ctx, "h:1:2")
	var unknown *saga.UnknownError
	if !errors.As(err, &unknown) || unknown.Status != saga.RollingBack || !errors.Is(err, context.Canceled) ||
		!strings.HasPrefix(err.Error(), "saga h:1:2: not ended at book[0], book[1]: context canceled") {
		t.Error(err)
	}
}
