package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// worker does the steps that are tasks. It needs no address that others can reach: it asks the coordinator for work.
type worker struct {
	server string
	token  string
	tasks  []string
	does   *participant
}

// task is what a worker gets.
type task struct {
	ID        string         `json:"id"`
	Task      string         `json:"task"`
	XID       string         `json:"xid"`
	Branch    string         `json:"branch"`
	Operation string         `json:"operation"` // forward or compensate
	Input     map[string]any `json:"input"`
}

// run fetches tasks and does them until ctx ends.
func (w *worker) run(ctx context.Context, log func(error)) {
	for ctx.Err() == nil {
		var got struct{ Tasks []task }
		// The coordinator answers as soon as there is something to do, or with nothing when the wait is over.
		err := w.ask(ctx, "/sagas/tasks/poll", map[string]any{
			"tasks": w.tasks, "max": 10, "wait": "20s", "worker": "example",
		}, &got)
		if err != nil && ctx.Err() == nil {
			log(err)
			select { // somebody restarts it; a pause, so that it is not asked all the time
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
		for _, t := range got.Tasks {
			if err := w.do(ctx, t); err != nil && ctx.Err() == nil {
				log(err) // the lease ends, and it comes again; handle knows then that it is done
			}
		}
	}
}

// do does one task and says how it went.
func (w *worker) do(ctx context.Context, t task) error {
	out := w.does.handle(request{
		service: serviceOfTask(t.Task), branch: t.XID + "/" + t.Branch, undo: t.Operation == "compensate",
		read: readOnlyTask(t.Task), input: t.Input, about: describe(t.Input),
	})
	path, body := "/done", map[string]any{"result": out.body}
	switch {
	case out.lost:
		return fmt.Errorf("task %s: its end is not told, as you have asked for", t.Task)
	case out.status == http.StatusConflict:
		path, body = "/refused", map[string]any{"reason": out.body["why"]}
	case out.status != http.StatusOK:
		path, body = "/failed", map[string]any{"error": out.body["why"]}
	}
	return w.ask(ctx, "/sagas/tasks/"+url.PathEscape(t.ID)+path, body, nil)
}

// ask sends a request to the coordinator.
func (w *worker) ask(ctx context.Context, path string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return w.send(ctx, http.MethodPost, path, bytes.NewReader(text), out)
}

// get asks for something.
func (w *worker) get(ctx context.Context, path string, out any) error {
	return w.send(ctx, http.MethodGet, path, nil, out)
}

func (w *worker) send(ctx context.Context, method, path string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, w.server+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	switch {
	case err != nil:
		return err
	case resp.StatusCode > 299:
		return fmt.Errorf("%s: %s", resp.Status, answer)
	case out == nil:
		return nil
	}
	return json.Unmarshal(answer, out)
}
