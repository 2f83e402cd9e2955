package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// services are what uses the API over HTTP: one caller for each transaction in flight, and the participants that the
// coordinator calls. Both are bare loops on connections that are kept, to leave the machine to the server.
type services struct {
	clock  clock
	target string // the coordinator's HTTP address
	dtm    bool   // it is a DTM server
	// participants answers the coordinator; its address is in the URLs of the branches.
	participants net.Listener
	running      sync.WaitGroup
	faults       chan error
	w            workload
	window       window
	seed         uint64
	stopped      atomic.Bool
	begun        atomic.Int64
	limit        int64

	mu      sync.Mutex
	callers []*caller
	conns   []net.Conn // of participants
	closed  bool
}

// Where the URLs of branches come to, and how the driver registers them.
const (
	enlistTogether = "together" // in the begin: one request
	enlistSingly   = "singly"   // one request each, as DTM's clients do
)

// requestWait bounds the wait for one answer; a commit's waits for the end of the transaction.
const requestWait = 30 * time.Second

func startServices(f *fleet, target string, seed uint64) (*services, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for participants: %w", err)
	}
	s := &services{clock: f.clock, target: target, participants: l, faults: f.faults, seed: seed}
	s.running.Go(s.accept)
	return s, nil
}

// accept takes the coordinator's connections.
func (s *services) accept() {
	for {
		conn, err := s.participants.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = conn.Close() // nobody waits for it
			return
		}
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		s.running.Go(func() { s.serve(conn) })
	}
}

func (s *services) close() {
	s.stopped.Store(true)
	s.mu.Lock()
	s.closed = true
	_ = s.participants.Close() // a listener that is gone is closed
	for _, c := range s.conns {
		_ = c.Close() // as above
	}
	for _, c := range s.callers {
		_ = c.conn.Close() // as above
	}
	s.mu.Unlock()
	s.running.Wait()
}

// reset forgets what was measured so far. Nothing is under way then.
func (s *services) reset(w workload, from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.callers {
		_ = c.conn.Close() // its caller has ended
	}
	s.w, s.window, s.callers = w, window{from, to}, nil
	s.begun.Store(0)
}

// start puts n transactions in flight, until limit were begun, or until stop if it is 0.
func (s *services) start(n int, limit int64) error {
	s.limit = limit
	s.stopped.Store(false)
	if s.w.enlist == enlistSaga && !s.dtm {
		if err := s.publish(s.w.branches); err != nil {
			return err
		}
	}
	all := make([]*caller, n)
	for i := range all {
		conn, err := net.Dial("tcp", s.target)
		if err != nil {
			return err
		}
		all[i] = &caller{s: s, conn: conn, reader: bufio.NewReaderSize(conn, 16<<10), lat: newLatencies()}
		all[i].choose = newChooser(s.w, i, n, s.seed)
		all[i].prepare(i)
	}
	s.mu.Lock()
	s.callers = all // before a participant is called for one of them
	s.mu.Unlock()
	for _, c := range all {
		s.running.Go(c.loop)
	}
	return nil
}

// caller returns the one with a number, or nil.
func (s *services) caller(i int) *caller {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i < 0 || i >= len(s.callers) {
		return nil
	}
	return s.callers[i]
}

func (s *services) each(work func(c *caller)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.callers {
		c.mu.Lock()
		work(c)
		c.mu.Unlock()
	}
}

func (s *services) fault(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	select {
	case s.faults <- err:
	default: // one is enough
	}
}

// answerDone is what a participant answers.
const answerDone = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// serve answers the coordinator's calls on one connection.
func (s *services) serve(conn net.Conn) {
	r := bufio.NewReaderSize(conn, 16<<10)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return // the coordinator has closed it
		}
		call, ok := parseCall(line)
		if err := skipMessage(r); err != nil {
			s.fault(fmt.Errorf("read a call of the coordinator: %w", err))
			return
		}
		c := s.caller(call.caller)
		if !ok || c == nil {
			s.fault(errors.New("a participant was called at an address that no branch has"))
			return
		}
		c.told(call)
		if _, err := conn.Write([]byte(answerDone)); err != nil {
			return
		}
	}
}

// call is what a participant was asked: the path of its URL is /CALLER/SERIAL/BRANCH/OUTCOME.
type call struct {
	caller, branch int
	serial         int64
	rollback       bool
}

// Last parts of the URLs of a branch.
const (
	pathConfirm = "confirm"
	pathCancel  = "cancel"
)

// parseCall reads the request line of a call.
func parseCall(line []byte) (c call, ok bool) {
	const begin = "POST /"
	if len(line) < len(begin) || string(line[:len(begin)]) != begin {
		return c, false
	}
	var numbers [3]int64
	at := len(begin)
	for i := range numbers {
		from := at
		for ; at < len(line) && line[at] >= '0' && line[at] <= '9' && at-from < 18; at++ {
			numbers[i] = numbers[i]*10 + int64(line[at]-'0')
		}
		if at == from || at == len(line) || line[at] != '/' {
			return c, false
		}
		at++
	}
	from := at
	for at < len(line) && line[at] != '?' && line[at] != ' ' {
		at++
	}
	op := string(line[from:at])
	c = call{caller: int(numbers[0]), serial: numbers[1], branch: int(numbers[2]), rollback: op == pathCancel}
	return c, op == pathConfirm || op == pathCancel
}

// skipMessage reads the rest of a head and the body.
func skipMessage(r *bufio.Reader) error {
	head, err := readHead(r)
	if err == nil {
		_, err = r.Discard(head.length)
	}
	return err
}

// messageHead is what the driver wants of headers.
type messageHead struct{ length int }

// readHead reads header lines to the empty one.
func readHead(r *bufio.Reader) (h messageHead, err error) {
	const name = "content-length:"
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		if len(line) <= 2 {
			return h, nil
		}
		if len(line) > len(name) && line[0]|0x20 == 'c' && foldEqual(line[:len(name)], name) {
			h.length = 0
			for _, d := range line[len(name):] {
				if d >= '0' && d <= '9' {
					h.length = h.length*10 + int(d-'0')
				}
			}
		}
	}
}

// foldEqual compares with a text in lower case that has letters, "-" and ":" only.
func foldEqual(line []byte, lower string) bool {
	for i := range lower {
		if line[i]|0x20 != lower[i]|0x20 {
			return false
		}
	}
	return true
}

// check asks for the last transaction of each caller over the API; the answers to the others said how they ended.
func (s *services) check() []string {
	var faults []string
	for _, c := range s.callers {
		if c.xid == "" {
			continue
		}
		if err := c.conn.SetDeadline(time.Now().Add(requestWait)); err != nil {
			return append(faults, err.Error())
		}
		if s.dtm {
			if err := c.dtmEnd(); err != nil {
				faults = append(faults, err.Error())
			}
			continue
		}
		status, body, err := c.awaitEnd()
		want := outcomeText(c.rollback)
		if err != nil || status != http.StatusOK || textOf(body, `"status":"`) != want {
			faults = append(faults, "transaction "+c.xid+" is not "+want+": "+strconv.Itoa(status))
		}
	}
	return faults
}

func outcomeText(rollback bool) string {
	if rollback {
		return "RolledBack"
	}
	return "Committed"
}
