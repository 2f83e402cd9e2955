package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// participant is a service that takes part in sagas: flights, hotels, payments, all in one. It keeps its bookings in
// memory; a real one keeps them in its database, and does in one transaction what is done here under one lock.
//
// A step is asked for at least once: after a lost answer, a timeout or a crash it is asked for again. So is its
// compensation. A participant has to stand these things:
//
//   - The same step twice: it says again what it has said.
//   - The compensation twice: the second time there is nothing to do, and that is a success.
//   - A compensation of a step that it has never heard of, because the request was lost: that is a success, too.
//   - A step that comes after its own compensation, because it was late: it has to refuse it. Otherwise it would be
//     done after the saga has ended.
//   - A step that it has refused, and that comes again because the first request was late: it has to refuse it again.
//
// All of them follow from one rule: remember by the id of the branch what became of it. The id is the same for a step,
// its repetitions, and its compensation.
type participant struct {
	mu       sync.Mutex
	bookings map[string]*booking // by xid and branch
	order    []*booking
	asks     map[string]int // questions about a transfer
	faults   map[string]*fault
	pace     time.Duration
	log      io.Writer     // told what happens to bookings
	second   chan struct{} // closed when the second thing was asked for
}

// booking is what became of one step.
type booking struct {
	service string
	id      string
	about   string
	state   state
	answer  map[string]any
}

// state says what became of a step.
type state string

// What becomes of a step.
const (
	booked    state = "booked"
	cancelled state = "cancelled"      // it was booked, and then compensated
	never     state = "never happened" // it was compensated before it came, if it ever comes
	refused   state = "refused"
)

// request is what a participant is asked, over HTTP or as the task of a worker.
type request struct {
	service string
	branch  string // xid and branch: the same for a step, its repetitions and its compensation
	undo    bool
	read    bool // it only asks
	input   map[string]any
	about   string
}

// reply is what a participant answers: an HTTP status and a body.
type reply struct {
	status int
	body   map[string]any
	lost   bool // it never arrives
}

func newParticipant() *participant {
	return &participant{
		bookings: map[string]*booking{}, asks: map[string]int{}, faults: map[string]*fault{}, log: io.Discard,
		second: make(chan struct{}),
	}
}

// handle carries a request out.
func (p *participant) handle(r request) reply {
	time.Sleep(p.takes(r)) // the work
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.bookings[r.branch]
	switch {
	case r.undo && before == nil:
		// We have never heard of the step. Remember that it is not wanted any more, in case it comes later.
		p.remember(r, never, nil)
		return reply{status: http.StatusOK}
	case r.undo:
		if before.state == booked {
			before.state = cancelled
			before.print(p.log)
		}
		return reply{status: http.StatusOK} // also the second time
	case before != nil && before.state == booked:
		return p.spoil(r, reply{status: http.StatusOK, body: before.answer}) // the same again
	case before != nil:
		return refusal("this was " + string(before.state) + " before")
	}
	if p.faults[r.service].delays() {
		// Whoever cannot do it now, but may later, says so: 503. It will be asked again, and nothing is remembered.
		return reply{status: http.StatusServiceUnavailable, body: map[string]any{"why": "not now"}}
	}
	if why := p.faults[r.service].refuses(); why != "" {
		if !r.read {
			p.remember(r, refused, nil)
		}
		return refusal(why)
	}
	answer := p.answer(r)
	if !r.read {
		p.remember(r, booked, answer)
	}
	return p.spoil(r, reply{status: http.StatusOK, body: answer})
}

// refusal says that something will never be done, and that nothing was changed: 409.
func refusal(why string) reply {
	return reply{status: http.StatusConflict, body: map[string]any{"why": why}}
}

// remember stores what became of a step.
func (p *participant) remember(r request, s state, answer map[string]any) {
	b := &booking{service: r.service, about: r.about, state: s, answer: answer}
	if id, ok := answer["id"].(string); ok {
		b.id = id
	}
	p.bookings[r.branch] = b
	if p.order = append(p.order, b); len(p.order) == 2 {
		close(p.second)
	}
	b.print(p.log)
}

// print shows one booking.
func (b *booking) print(w io.Writer) {
	line := fmt.Sprintf("  %-14s %-6s %-14s %s", b.service, b.id, b.state, b.about)
	_, _ = fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// ServeHTTP takes the requests of steps and compensations. The coordinator says in headers what they belong to.
func (p *participant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the connection is gone, and it will be asked again
	}
	req := request{
		service: serviceOf(r.URL.Path), read: r.Method == http.MethodGet,
		branch: r.Header.Get("Concord-Xid") + "/" + r.Header.Get("Concord-Branch"),
		undo:   r.Header.Get("Concord-Operation") == "compensate",
	}
	_ = json.Unmarshal(text, &req.input) // what is no object has nothing to read
	if req.read {
		req.service += readSuffix
		req.input = map[string]any{"id": r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]}
	}
	req.about = describe(req.input)
	switch {
	case req.service == "":
		http.NotFound(w, r)
		return
	case r.Header.Get("Concord-Xid") == "":
		http.Error(w, "this service takes part in sagas only; the header Concord-Xid is missing", http.StatusBadRequest)
		return
	}
	out := p.handle(req)
	if out.lost {
		// As if the network had failed: it is done, and nobody is told.
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(out.status)
	_ = json.NewEncoder(w).Encode(out.body) // whoever does not read it asks again
}

// held returns what is booked, and everything that was ever asked for.
func (p *participant) held() (booked int, all []booking) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.order {
		all = append(all, *b)
		if b.state == "booked" {
			booked++
		}
	}
	return booked, all
}

// print shows what the participants hold.
func (p *participant) print(w io.Writer) {
	booked, all := p.held()
	_, _ = fmt.Fprintf(w, "\nWhat the participants hold:\n")
	for _, b := range all {
		b.print(w)
	}
	switch {
	case len(all) == 0:
		_, _ = fmt.Fprintln(w, "  nothing: they were never asked")
	case booked == 0:
		_, _ = fmt.Fprintln(w, "Nothing is left behind.")
	}
}
