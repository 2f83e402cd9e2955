package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// caller runs one transaction after the other over HTTP, each request when the one before is answered.
type caller struct {
	s      *services
	number int
	conn   net.Conn
	reader *bufio.Reader
	choose *chooser
	// request and scratch are the memory of the request under way.
	request, scratch []byte
	body             []byte

	mu       sync.Mutex
	lat      *latencies
	tally    tally
	serial   int64 // of the transaction under way
	calls    []int // by branch: how often it was told in this transaction
	rollback bool
	deciding bool
	xid      string
	last     chan struct{} // of a saga: its last step was called
}

func (c *caller) prepare(number int) {
	c.number = number
	c.calls, c.last = make([]int, c.s.w.branches), make(chan struct{}, 1)
}

// told notes that a participant was called for a branch.
func (c *caller) told(k call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case k.serial != c.serial, k.branch >= len(c.calls):
		c.tally.Strange++
	case k.rollback != c.rollback, !c.deciding:
		c.tally.WrongCommands++
	default:
		if c.calls[k.branch]++; c.calls[k.branch] > 1 {
			c.tally.Repeated++
		} else if c.s.w.enlist == enlistSaga && k.branch == len(c.calls)-1 {
			c.last <- struct{}{} // there is room: once in each
		}
	}
}

// loop runs transactions until it is told to stop.
func (c *caller) loop() {
	for !c.s.stopped.Load() {
		if n := c.s.begun.Add(1); c.s.limit > 0 && n > c.s.limit {
			return
		}
		run := c.transaction
		switch {
		case c.s.dtm:
			run = c.dtmSaga
		case c.s.w.enlist == enlistSaga:
			run = c.saga
		}
		if err := run(); err != nil {
			c.s.fault(err)
			return
		}
	}
}

// transaction runs one from begin to end.
func (c *caller) transaction() error {
	now := c.s.clock.now()
	c.mu.Lock()
	c.serial++
	c.rollback, c.deciding, c.xid = c.choose.rollback(), false, ""
	clear(c.calls)
	c.tally.Begun++
	c.mu.Unlock()
	began := now
	if err := c.conn.SetDeadline(time.Now().Add(4 * requestWait)); err != nil {
		return err
	}
	c.body = append(c.body[:0], `{"application":"bench","group":"bench_group","name":"bench.order","timeoutMs":`...)
	c.body = strconv.AppendInt(c.body, int64(c.s.w.timeout), 10)
	if c.s.w.enlist == enlistTogether && c.s.w.branches > 0 {
		c.body = append(c.body, `,"branches":[`...)
		for i := range c.s.w.branches {
			if i > 0 {
				c.body = append(c.body, ',')
			}
			c.appendBranch(i)
		}
		c.body = append(c.body, ']')
	}
	c.body = append(c.body, '}')
	answer, err := c.post("/api/v1/transactions", http.StatusCreated)
	if err != nil {
		return err
	}
	xid := textOf(answer, `"xid":"`)
	now = c.s.clock.now()
	due := c.s.window.contains(began)
	if due {
		c.lat.begin.record(began, now)
	}
	path := "/api/v1/transactions/" + xid
	if c.s.w.enlist == enlistSingly {
		for i := range c.s.w.branches {
			from := now
			c.body = c.body[:0]
			c.appendBranch(i)
			if _, err := c.post(path+"/branches", http.StatusCreated); err != nil {
				return err
			}
			if now = c.s.clock.now(); due {
				c.lat.register.record(from, now)
			}
		}
	}
	return c.end(path, xid, began, now, due)
}

// end asks for the end and takes it into account.
func (c *caller) end(path, xid string, began, sent int64, due bool) error {
	c.mu.Lock()
	c.deciding, c.xid = true, xid
	rollback := c.rollback
	c.mu.Unlock()
	decision := "/commit"
	if rollback {
		decision = "/rollback"
	}
	c.body = c.body[:0]
	answer, err := c.post(path+decision, http.StatusOK)
	if err != nil {
		return err
	}
	now := c.s.clock.now()
	status := textOf(answer, `"status":"`)
	c.mu.Lock()
	defer c.mu.Unlock()
	if due {
		c.lat.end.record(sent, now)
		c.lat.whole.record(began, now)
		c.lat.finished.record(began, now)
	}
	for i, n := range c.calls {
		switch {
		case n == 0 && c.tally.WrongCommands == 0:
			return fmt.Errorf("transaction %s has ended, but branch %d was not called", xid, i)
		case n > 1:
			c.s.fault(fmt.Errorf("transaction %s: branches were called again", xid))
		}
	}
	c.tally.Answered++
	c.tally.Finished++
	if status != outcomeText(rollback) {
		c.tally.WrongAnswers++
	}
	if rollback {
		c.tally.Rollbacks++
	} else {
		c.tally.Commits++
	}
	if c.s.window.contains(now) {
		c.tally.AnsweredIn++
		c.tally.FinishedIn++
	}
	return nil
}

// appendBranch appends a branch to the body.
func (c *caller) appendBranch(branch int) {
	c.body = append(c.body, `{"kind":"tcc",`...)
	c.appendURL("confirmUrl", branch, pathConfirm)
	c.body = append(c.body, ',')
	c.appendURL("cancelUrl", branch, pathCancel)
	c.body = append(c.body, `,"payload":{"order":4711,"amount":100}}`...)
}

// appendURL appends a member with the URL of a branch to the body.
func (c *caller) appendURL(name string, branch int, last string) {
	c.body = append(append(append(c.body, '"'), name...), `":"http://`...)
	c.body = append(c.body, c.s.participants.Addr().String()...)
	for _, n := range []int64{int64(c.number), c.serial, int64(branch)} {
		c.body = strconv.AppendInt(append(c.body, '/'), n, 10)
	}
	c.body = append(append(append(c.body, '/'), last...), '"')
}

// post sends the body to a path and returns the answer, which must have the status.
func (c *caller) post(path string, want int) ([]byte, error) {
	status, answer, err := c.ask("POST", path, c.body)
	if err != nil {
		return nil, fmt.Errorf("POST %s: %w", path, err)
	}
	if status != want {
		return nil, fmt.Errorf("POST %s is answered with %d: %.300s", path, status, answer)
	}
	return answer, nil
}

// ask makes one request. The answer is valid until the next one.
func (c *caller) ask(method, path string, body []byte) (status int, answer []byte, err error) {
	c.request = append(append(append(c.request[:0], method...), ' '), path...)
	c.request = append(append(c.request, " HTTP/1.1\r\nHost: "...), c.s.target...)
	c.request = append(c.request, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.request = strconv.AppendInt(c.request, int64(len(body)), 10)
	c.request = append(append(c.request, "\r\n\r\n"...), body...)
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, nil, err
	}
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	const at = len("HTTP/1.1 ")
	if len(line) < at+3 {
		return 0, nil, fmt.Errorf("%q is no answer", line)
	}
	if status, err = strconv.Atoi(string(line[at : at+3])); err != nil {
		return 0, nil, err
	}
	head, err := readHead(c.reader)
	if err != nil {
		return 0, nil, err
	}
	if cap(c.scratch) < head.length {
		c.scratch = make([]byte, head.length)
	}
	answer = c.scratch[:head.length]
	for n := 0; n < len(answer) && err == nil; {
		var m int
		m, err = c.reader.Read(answer[n:])
		n += m
	}
	return status, answer, err
}

// textOf returns the text after the first occurrence of a prefix, to the next quote.
func textOf(answer []byte, prefix string) string {
	_, rest, ok := bytes.Cut(answer, []byte(prefix))
	if !ok {
		return ""
	}
	text, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(text)
}
