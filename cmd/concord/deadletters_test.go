package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/mq/embedded"
	"github.com/concord-tx/concord/store/pebble"
	"github.com/concord-tx/concord/web"
)

// withDeadLetters makes a data directory whose group mail has n dead letters.
func withDeadLetters(t *testing.T, n int) (data string) {
	t.Helper()
	data = t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	store, err := pebble.Open(ctx, data, pebble.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	log, err := embedded.Open(store, store.Apply, embedded.Options{AttemptsMax: 1})
	if err == nil {
		err = log.Subscribe(ctx, "mail", []string{"orders"}, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		done := make(chan error, 1)
		log.Publish("orders", "", "", fmt.Appendf(nil, `{"subject":"h:1:%d"}`, i+1), func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for failed := 0; failed < n; {
		got, err := log.Poll(ctx, "mail", n, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range got {
			if err := log.Nack(ctx, "mail", d.Receipt, "no mail server"); err != nil {
				t.Fatal(err)
			}
			failed++
		}
	}
	return data
}

// TestDeadLettersAreHandledFromTheCommandLine: and the journal says why.
func TestDeadLettersAreHandledFromTheCommandLine(t *testing.T) {
	t.Parallel()
	s := start(t, withDeadLetters(t, 3), "--dev")
	contains(t, s.ok("decisions", "deadletters", "groups"), "mail", "3")
	contains(t, s.ok("decisions", "deadletters", "list", "mail"), "no mail server", "orders", "h:1:2")
	var page web.Page[web.EventLetter]
	if err := json.Unmarshal([]byte(s.ok("decisions", "deadletters", "list", "mail", "-o", "json")), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 3 {
		t.Fatalf("%+v", page)
	}
	first, second := page.Items[0].ID, page.Items[1].ID
	contains(t, s.ok("decisions", "deadletters", "show", "mail", first), `"subject": "h:1:1"`, `"attempts": 1`)
	if r := s.do("decisions", "deadletters", "discard", "mail", first); r.code != exitUsage {
		t.Errorf("without a reason: %+v", r)
	}
	discarded := s.ok("decisions", "deadletters", "discard", "mail", first, "--reason", "the customer is gone")
	contains(t, discarded, "is discarded")
	contains(t, s.ok("decisions", "deadletters", "replay", "mail", second, "--reason", "mended"), "again")
	if got := s.poll("mail"); len(got) != 1 || !strings.Contains(string(got[0].Event), "h:1:2") {
		t.Errorf("%+v", got)
	}
	for _, args := range [][]string{
		{"discard", "mail", first, "--reason", "x"}, {"show", "mail", "777"}, {"list", "none"},
	} {
		if r := s.do(append([]string{"decisions", "deadletters"}, args...)...); r.code != exitFailure {
			t.Errorf("%v: %+v", args, r)
		}
	}
	contains(t, s.ok("decisions", "deadletters", "groups"), "1")
	log := s.ok("audit", "log")
	contains(t, log, "deadletter.discard", "mail/"+first, "the customer is gone")
	contains(t, log, "deadletter.replay", "mail/"+second, "mended")
	var journal web.Page[web.JournalEntryView]
	raw := s.ok("audit", "log", "--action", "deadletter.discard", "--target", "mail/"+first, "-o", "json")
	if err := json.Unmarshal([]byte(raw), &journal); err != nil {
		t.Fatal(err)
	}
	done := map[int]int{}
	for _, e := range journal.Items {
		done[e.Status]++
		if e.Why != "the customer is gone" && e.Why != "x" {
			t.Errorf("%+v", e)
		}
	}
	if done[0] != 2 || done[204] != 1 || done[404] != 1 { // what was asked for, and what came of it
		t.Errorf("%v", done)
	}
}
