package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// enlistSaga has the coordinator itself run the branches, as the steps of a saga, one after the other.
const enlistSaga = "saga"

// benchSaga is the name of the definition.
const benchSaga = "bench"

// sagaText is a definition whose steps call the participants of the driver.
func sagaText(participants string, steps int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `saga: 1
name: %s
input:
  type: object
  required: [caller, serial]
  properties: {caller: {type: integer}, serial: {type: integer}}
deadline: 10m
steps:
`, benchSaga)
	for i := range steps {
		url := func(last string) string {
			return fmt.Sprintf(`"http://%s/${input.caller}/${input.serial}/%d/%s"`, participants, i, last)
		}
		fmt.Fprintf(&b, "  - id: step%d\n    call: {url: %s, body: {order: 4711, amount: 100}}\n", i, url(pathConfirm))
		fmt.Fprintf(&b, "    compensate:\n      call: {url: %s, body: {order: 4711}}\n", url(pathCancel))
	}
	return b.String()
}

// publish makes the definition of a workload the newest.
func (s *services) publish(steps int) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestWait)
	defer cancel()
	text := sagaText(s.participants.Addr().String(), steps)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.target+"/api/v1/sagas/definitions",
		strings.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/yaml")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return fmt.Errorf("publish the saga: %s: %.500s", resp.Status, body)
	}
	return nil
}

// saga runs one saga: it is started, and over for the driver when its last step is called. What then happens to it is
// compared with the server's numbers, and looked at for the last one of each caller.
func (c *caller) saga() error {
	began := c.s.clock.now()
	c.begin()
	if err := c.conn.SetDeadline(time.Now().Add(4 * requestWait)); err != nil {
		return err
	}
	c.body = append(c.body[:0], `{"saga":"`+benchSaga+`","application":"bench","input":{"caller":`...)
	c.body = strconv.AppendInt(c.body, int64(c.number), 10)
	c.body = strconv.AppendInt(append(c.body, `,"serial":`...), c.serial, 10)
	c.body = append(c.body, "}}"...)
	answer, err := c.post("/api/v1/sagas/runs", http.StatusCreated)
	if err != nil {
		return err
	}
	xid := textOf(answer, `"xid":"`)
	started := c.s.clock.now()
	late := time.NewTimer(requestWait)
	defer late.Stop()
	select {
	case <-c.last:
	case <-late.C:
		return fmt.Errorf("the last step of saga %s was not called within %s", xid, requestWait)
	}
	c.ended(xid, began, started)
	return nil
}

// begin notes that a saga begins.
func (c *caller) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	c.rollback, c.deciding, c.xid = false, true, ""
	clear(c.calls)
	c.tally.Begun++
}

// ended takes a saga into account that began and was answered at these times, and whose last step was called.
func (c *caller) ended(xid string, began, answered int64) {
	now := c.s.clock.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.xid = xid
	if c.s.window.contains(began) {
		c.lat.begin.record(began, answered)
		c.lat.end.record(answered, now)
		c.lat.whole.record(began, now)
		c.lat.finished.record(began, now)
	}
	for i, n := range c.calls {
		if n != 1 {
			c.s.fault(fmt.Errorf("saga %s: step %d was called %d times", xid, i, n))
		}
	}
	c.tally.Answered++
	c.tally.Finished++
	c.tally.Commits++
	if c.s.window.contains(now) {
		c.tally.AnsweredIn++
		c.tally.FinishedIn++
	}
}

// awaitEnd asks for a transaction, again until it has ended if it is a saga: its last step was called, and the decision
// follows.
func (c *caller) awaitEnd() (status int, body []byte, err error) {
	for until := time.Now().Add(requestWait); ; {
		status, body, err = c.ask("GET", "/api/v1/transactions/"+c.xid, nil)
		open := c.s.w.enlist == enlistSaga && bytes.Contains(body, []byte(`"status":"Active"`))
		if err != nil || !open || time.Now().After(until) {
			return status, body, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// sagas measures sagas of two and of five steps.
func (s *suite) sagas(ctx context.Context) error {
	over := *s
	over.o.w.enlist = enlistSaga
	for _, steps := range []int{2, 5} {
		over.o.w.branches = steps
		for _, n := range []int{1, 16, 64, 256} {
			c := cell{
				name: "closed " + enlistSaga, label: fmt.Sprintf("%d steps", steps), w: over.o.w, inFlight: n,
			}
			if err := over.fresh(ctx, c); err != nil {
				return err
			}
		}
	}
	s.failed = s.failed || over.failed
	return nil
}
