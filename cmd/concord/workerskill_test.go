package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// crew is workers that go on whatever becomes of the server.
type crew struct {
	base   string
	mu     sync.Mutex
	done   map[string]int // by run, step and operation
	order  map[string][]string
	broken int // requests without an answer
}

// ask sends a request until there is an answer.
func (w *crew) ask(ctx context.Context, path, body string) (status int, text []byte) {
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+path, bytes.NewReader([]byte(body)))
		if err != nil {
			return 0, nil
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			text, err = io.ReadAll(answer.Body)
			_ = answer.Body.Close()
		}
		if err == nil && answer.StatusCode != http.StatusServiceUnavailable {
			return answer.StatusCode, text
		}
		w.mu.Lock()
		w.broken++
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return 0, nil
}

// run fetches tasks and does them: what is to be refused says so.
func (w *crew) run(ctx context.Context) {
	for ctx.Err() == nil {
		_, text := w.ask(ctx, "tasks/poll", `{"tasks":["charge","ship","refund","unship"],"max":3,"wait":"5s"}`)
		var got struct {
			Tasks []struct {
				ID, XID, Task string
				Input         map[string]any
			}
		}
		if json.Unmarshal(text, &got) != nil {
			continue
		}
		for _, task := range got.Tasks {
			how, body := "done", `{"result":{"payment":"p"}}`
			if task.Task == "ship" && strings.HasPrefix(fmt.Sprint(task.Input["order"]), "sold-out") {
				how, body = "refused", `{"reason":"sold out"}`
			}
			w.mu.Lock()
			if w.done[task.XID+" "+task.Task]++; w.done[task.XID+" "+task.Task] == 1 {
				w.order[task.XID] = append(w.order[task.XID], task.Task)
			}
			w.mu.Unlock()
			w.ask(ctx, "tasks/"+task.ID+"/"+how, body)
		}
	}
}

func TestRunsOfWorkersEndThoughTheServerIsKilled(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, data, "--dev")
	text := strings.Replace(fulfilText, `{payment: "${steps.charge.output.payment}"}`, `{order: "${input.order}"}`, 1)
	contains(t, p.ok("saga", "publish", definitionFile(t, "fulfil.yaml", text)), "is published")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w := &crew{base: "http://" + p.http + "/api/v1/sagas/", done: map[string]int{}, order: map[string][]string{}}
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() { w.run(ctx) })
	}
	want := map[string]string{}
	for i := range 90 {
		order, end := fmt.Sprintf("o-%d", i), "Committed"
		if i%3 == 0 {
			order, end = fmt.Sprintf("sold-out-%d", i), "RolledBack"
		}
		_, text := w.ask(ctx, "runs", fmt.Sprintf(`{"saga":"fulfil","key":"%s","input":{"order":"%s"}}`, order, order))
		var run struct{ XID string }
		if err := json.Unmarshal(text, &run); err != nil || run.XID == "" {
			t.Fatalf("%s: %v", text, err)
		}
		want[run.XID] = end
		if i%15 == 10 {
			p.kill()
			p = start(t, data, "--dev", "--http", p.http)
		}
	}
	for xid, end := range want {
		desk{p}.becomes(xid, end)
	}
	cancel()
	workers.Wait()
	for xid, end := range want {
		order := "charge ship"
		if end == "RolledBack" {
			order += " refund"
		}
		if got := strings.Join(w.order[xid], " "); got != order {
			t.Errorf("%s: %s, not %s", xid, got, order)
		}
	}
	again := -len(w.done)
	for _, n := range w.done {
		again += n
	}
	t.Logf("%d tasks were done, %d of them once more, %d requests had no answer", len(w.done), again, w.broken)
}
