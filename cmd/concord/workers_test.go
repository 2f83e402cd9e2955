package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const fulfilText = `
saga: 1
name: fulfil
input: {type: object, properties: {order: {type: string}}}
steps:
  - id: charge
    worker: {task: charge, input: {order: "${input.order}"}}
    timeout: 2s
    compensate: {worker: {task: refund, input: {payment: "${output?.payment}"}}}
  - id: ship
    worker: {task: ship, input: {payment: "${steps.charge.output.payment}"}}
    compensate: {worker: {task: unship}}
`

// desk is a worker of a server.
type desk struct {
	*process
}

// post sends a request and reads the answer.
func (d desk) post(path, body string) (status int, answer map[string]any) {
	d.t.Helper()
	client := http.Client{Timeout: patience}
	r, err := client.Post("http://"+d.http+"/api/v1/sagas/"+path, "application/json", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		d.t.Fatalf("%d %s: %v", r.StatusCode, text, err)
	}
	return r.StatusCode, answer
}

// run starts a run.
func (d desk) run(order string) (xid string) {
	d.t.Helper()
	status, answer := d.post("runs", `{"saga":"fulfil","input":{"order":"`+order+`"}}`)
	if xid, _ = answer["xid"].(string); status != http.StatusCreated || xid == "" {
		d.t.Fatalf("%d %v", status, answer)
	}
	return xid
}

// take waits for a task, and asks again where the server was busy with a restart.
func (d desk) take(task string) map[string]any {
	d.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		status, answer := d.post("tasks/poll", `{"tasks":["`+task+`"],"wait":"20s","worker":"w"}`)
		if status != http.StatusOK {
			d.t.Fatalf("%d %v", status, answer)
		}
		if all, _ := answer["tasks"].([]any); len(all) > 0 {
			return all[0].(map[string]any)
		}
	}
	d.t.Fatalf("no task %s came:\n%s", task, d.logs())
	return nil
}

// end ends a task.
func (d desk) end(task map[string]any, how, body string, want int) {
	d.t.Helper()
	if status, answer := d.post("tasks/"+task["id"].(string)+"/"+how, body); status != want {
		d.t.Errorf("%s: %d %v", how, status, answer)
	}
}

// becomes waits for the status of a run.
func (d desk) becomes(xid, want string) {
	d.t.Helper()
	d.until(`"status":"`+want+`"`, func() string {
		_, text := d.get("/api/v1/transactions/" + xid)
		return text
	})
}

func publishFulfil(t *testing.T, p *process) desk {
	t.Helper()
	return publishLeased(t, p, "2s")
}

// publishLeased gives the first task out for so long.
func publishLeased(t *testing.T, p *process, lease string) desk {
	t.Helper()
	text := strings.Replace(fulfilText, "timeout: 2s", "timeout: "+lease, 1)
	contains(t, p.ok("saga", "publish", definitionFile(t, "fulfil.yaml", text)), "fulfil version 1 is published")
	return desk{p}
}

func TestWhatAWorkerHasDoneCountsAfterAKill(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	d := publishLeased(t, start(t, data, "--dev"), "5m") // a server may be long in starting
	xid := d.run("o-1")
	charge := d.take("charge")
	if input, _ := charge["input"].(map[string]any); input["order"] != "o-1" || charge["operation"] != "forward" {
		t.Errorf("%v", charge)
	}
	d.kill()
	d = desk{start(t, data, "--dev")}
	d.end(charge, "done", `{"result":{"payment":"p-1"}}`, http.StatusOK)
	d.end(charge, "done", `{"result":{"payment":"p-1"}}`, http.StatusOK)
	d.end(charge, "done", `{"result":{"payment":"p-2"}}`, http.StatusConflict)
	ship := d.take("ship")
	if input, _ := ship["input"].(map[string]any); input["payment"] != "p-1" {
		t.Errorf("%v", ship)
	}
	d.kill()
	d = desk{start(t, data, "--dev")}
	d.end(ship, "extend", `{"by":"1m"}`, http.StatusOK)
	d.end(ship, "refused", `{"reason":"sold out"}`, http.StatusOK)
	refund := d.take("refund")
	if input, _ := refund["input"].(map[string]any); input["payment"] != "p-1" || refund["operation"] != "compensate" {
		t.Errorf("%v", refund)
	}
	d.end(ship, "done", ``, http.StatusConflict)
	d.kill()
	d = desk{start(t, data, "--dev")}
	d.end(refund, "done", ``, http.StatusOK)
	d.becomes(xid, "RolledBack")
}

func TestATaskOfAWorkerThatDiesGoesToAnother(t *testing.T) {
	t.Parallel()
	d := publishLeased(t, start(t, t.TempDir(), "--dev"), "5s")
	xid := d.run("o-2")
	began := time.Now()
	dead := d.take("charge")
	heir := d.take("charge")
	if took := time.Since(began); heir["attempt"] != 2.0 || heir["branch"] != dead["branch"] ||
		took < 5*time.Second {
		t.Errorf("after %v: %v", took, heir)
	}
	d.end(dead, "failed", `{"error":"too late"}`, http.StatusConflict)
	d.end(heir, "done", `{"result":{"payment":"p"}}`, http.StatusOK)
	d.until("no worker polls for task ship", func() string {
		_, text := d.get("/api/v1/transactions/" + xid + "/why")
		return text
	})
	contains(t, d.ok("saga", "tasks"), "ship", "1", "nowhere")
	contains(t, d.ok("saga", "tasks", "-o", "json"), `"task": "ship"`, `"parked": 1`)
	d.end(d.take("ship"), "done", ``, http.StatusOK)
	d.becomes(xid, "Committed")
}

func TestATaskThatNobodyTakesIsSkippedOrCancelled(t *testing.T) {
	t.Parallel()
	d := publishFulfil(t, start(t, t.TempDir(), "--dev"))
	skipped, cancelled := d.run("o-3"), d.run("o-4")
	d.until(`"parked":2`, func() string {
		_, text := d.get("/api/v1/sagas/tasks")
		return text
	})
	_, text := d.get("/api/v1/sagas/runs/" + skipped)
	contains(t, text, `"skip"`)
	body := `{"step":"charge","result":{"payment":"by hand"},"reason":"paid at the counter"}`
	if status, answer := d.post("runs/"+skipped+"/skip", body); status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	if input := d.take("ship")["input"].(map[string]any); input["payment"] != "by hand" {
		t.Errorf("%v", input)
	}
	if status, answer := d.post("runs/"+cancelled+"/cancel", `{"reason":"changed my mind"}`); status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	if refund := d.take("refund"); refund["xid"] != cancelled {
		t.Errorf("%v", refund)
	}
}

func TestAWorkerThatGoesAwayTakesNothingAlong(t *testing.T) {
	t.Parallel()
	d := publishFulfil(t, start(t, t.TempDir(), "--dev"))
	ctx, hangUp := context.WithCancel(t.Context())
	body := strings.NewReader(`{"tasks":["charge"],"wait":"1m"}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.http+"/api/v1/sagas/tasks/poll", body)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if r, err := http.DefaultClient.Do(request); err == nil {
			_ = r.Body.Close()
		}
	}()
	d.until(`"waiting":1`, func() string {
		_, text := d.get("/api/v1/sagas/tasks")
		return text
	})
	hangUp()
	<-ended
	d.until(`"waiting":0`, func() string {
		_, text := d.get("/api/v1/sagas/tasks")
		return text
	})
	d.run("o-5")
	if charge := d.take("charge"); charge["attempt"] != 1.0 {
		t.Errorf("%v", charge)
	}
}
