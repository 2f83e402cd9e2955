package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// A DTM server (github.com/dtm-labs/dtm, 1.19.0) can be measured with the same driver and the same participants. Its
// binary, which `go build` makes of its main package, is given with -dtm. It runs with the store that it has by
// default, boltdb, which syncs each change, and logs errors only; variables by which DTM is set up, such as
// STORE_DRIVER, are handed on to it. What a database of its own takes is not counted.

// startDTM starts a DTM server.
func startDTM(ctx context.Context, o options) (*server, error) {
	binary, err := filepath.Abs(o.dtm) // it runs in a directory of its own
	if err != nil {
		return nil, err
	}
	s := &server{name: dtmName, durability: syncing(o.dir), pinTo: o.pinServer}
	if err := s.prepare(o.dir); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(s.http)
	if err != nil {
		return s, err
	}
	_, grpc, err := net.SplitHostPort(s.tc)
	if err != nil {
		return s, err
	}
	s.start = func(s *server) *exec.Cmd {
		c := exec.Command(binary)
		c.Dir = s.dir // where it makes its file
		c.Env = append([]string{"STORE_DRIVER=boltdb", "LOG_LEVEL=error"}, os.Environ()...)
		c.Env = append(c.Env, "HTTP_PORT="+port, "GRPC_PORT="+grpc)
		return c
	}
	s.ready = func(ctx context.Context, s *server) error {
		_, err := get(ctx, "http://"+s.http+dtmPath+"/version")
		return err
	}
	return s, s.launch(ctx)
}

// dtmName is the server's name in results, dtmPath where its API begins, dtmDone the end of a saga there.
const (
	dtmName = "dtm"
	dtmPath = "/api/dtmsvr"
	dtmDone = "succeed"
)

// dtmSaga runs one saga on DTM: one request, which is answered when the saga has ended.
func (c *caller) dtmSaga() error {
	began := c.s.clock.now()
	c.begin()
	if err := c.conn.SetDeadline(time.Now().Add(4 * requestWait)); err != nil {
		return err
	}
	// No name must begin with another: boltdb's branches of both would be mixed up.
	xid := fmt.Sprintf("%05d-%09d", c.number, c.serial)
	c.body = append(append(c.body[:0], `{"gid":"`...), xid...)
	c.body = append(c.body, `","trans_type":"saga","wait_result":true,"steps":[`...)
	for i := range c.s.w.branches {
		if i > 0 {
			c.body = append(c.body, ',')
		}
		c.body = append(c.body, '{')
		c.appendURL("action", i, pathConfirm)
		c.body = append(c.body, ',')
		c.appendURL("compensate", i, pathCancel)
		c.body = append(c.body, '}')
	}
	payload := strconv.Quote(`{"order":4711,"amount":100}`)
	c.body = append(c.body, `],"payloads":[`...)
	for i := range c.s.w.branches {
		if i > 0 {
			c.body = append(c.body, ',')
		}
		c.body = append(c.body, payload...)
	}
	c.body = append(c.body, "]}"...)
	if _, err := c.post(dtmPath+"/submit", http.StatusOK); err != nil {
		return err
	}
	select {
	case <-c.last:
	default:
		return fmt.Errorf("saga %s has ended, but its last step was not called", xid)
	}
	c.ended(xid, began, began)
	return nil
}

// dtmEnd asks for a saga that has ended.
func (c *caller) dtmEnd() error {
	body, err := get(context.Background(), "http://"+c.s.target+dtmPath+"/query?gid="+c.xid)
	if err != nil {
		return err
	}
	var answer struct{ Transaction struct{ Status string } } // that of the steps is beside it
	if err := json.Unmarshal(body, &answer); err != nil || answer.Transaction.Status != dtmDone {
		return fmt.Errorf("saga %s has not ended: %.300s", c.xid, body)
	}
	return nil
}
