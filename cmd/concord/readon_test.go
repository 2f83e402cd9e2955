package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/concord-tx/concord/web"
)

// TestAnEventThatIsCutOffComesAgain: the id of an event counts once the whole event is there.
func TestAnEventThatIsCutOffComesAgain(t *testing.T) {
	t.Parallel()
	for _, cut := range []string{"id: 2\n", "id: 2\ndata: {\"n\"", "id: 2\ndata: {\"n\":2}\n", "id"} {
		var mu sync.Mutex
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked = append(asked, r.Header.Get("Last-Event-ID"))
			first := len(asked) == 1
			mu.Unlock()
			if !first {
				_, _ = io.WriteString(w, "id: 2\ndata: {\"n\":2}\n\n")
				return
			}
			_, _ = io.WriteString(w, "id: 1\ndata: {\"n\":1}\n\n"+cut)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}))
		t.Cleanup(server.Close)
		a := &app{server: server.URL, stdout: io.Discard, stderr: io.Discard}
		var got []string
		r := &reading{what: "events", path: "/x", left: 2, gap: func([]byte) {}, print: func(event []byte) error {
			got = append(got, string(event))
			return nil
		}}
		for range 2 {
			_ = a.readOn(t.Context(), r) // its connection is cut off, then it has enough
		}
		if !slices.Equal(got, []string{`{"n":1}`, `{"n":2}`}) || fmt.Sprint(asked) != "[ 1]" {
			t.Errorf("cut off behind %q: %q; asked for what is behind %q", cut, got, asked)
		}
	}
}

// TestADiscardThatNeedsTwoIsToldAsAsked: in words how it goes on, as JSON for programs.
func TestADiscardThatNeedsTwoIsToldAsAsked(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"approval":{"id":"1700000000000-abcdefgh","action":"discard"}}`)
	}))
	t.Cleanup(server.Close)
	discard := []string{"decisions", "deadletters", "discard", "mail", "7", "--reason", "x", "--server", server.URL}
	contains(t, run(t, nil, discard...).out, "concord approval approve 1700000000000-abcdefgh")
	var answer web.AskedView
	if r := run(t, nil, append(discard, "-o", "json")...); json.Unmarshal([]byte(r.out), &answer) != nil ||
		answer.Approval.Action != "discard" {
		t.Errorf("%+v", r)
	}
}
