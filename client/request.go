package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// request is one attempt to have a message answered by one coordinator.
type request struct {
	id     int32
	msg    seata.Message
	merges bool          // may travel with others, since it is answered at once
	ahead  bool          // branch is told in the head
	branch int64         // the id that was given ahead for a registration, 0 if none was
	done   chan struct{} // closed when reply and err are there

	reply seata.Message // nil: the peer could not encode its answer
	err   error

	// Guarded by the link's mu.
	sent    bool // the writer has taken it
	over    bool // answered, given up or lost; it is finished by who set this, if anybody waits
	batch   *batch
	batchID int32
}

// finish hands over the result. It is called once.
func (r *request) finish(reply seata.Message, err error) {
	r.reply, r.err = reply, err
	close(r.done)
}

// lostError means that no answer came. Without sent the coordinator has certainly not seen the request.
type lostError struct {
	sent  bool
	cause error
}

func (e *lostError) Error() string { return "no answer: " + e.cause.Error() }

func (e *lostError) Unwrap() error { return e.cause }

// roundTrip sends a message and waits for the answer. The error is a *lostError, or says that the message cannot be
// sent at all. It waits while too many requests are under way.
func (l *link) roundTrip(ctx context.Context, msg seata.Message) (seata.Message, error) {
	r := &request{msg: msg}
	if err := l.reserve(ctx); err != nil {
		return nil, err
	}
	return l.receive(ctx, r, l.send(r))
}

// request makes a request of a question.
func (l *link) request(q question) *request {
	r := &request{msg: q.msg, merges: q.merges, ahead: q.ahead}
	if q.ahead {
		r.branch = l.idAhead()
	}
	return r
}

// idAhead takes a branch id that the coordinator has given ahead, 0 if there is none.
func (l *link) idAhead() (id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.ids); n > 0 {
		id, l.ids = l.ids[n-1], l.ids[:n-1]
	}
	return id
}

// keepID keeps a branch id that the coordinator gives ahead, if there is one in the head of an answer.
func (l *link) keepID(head []seata.HeadEntry) {
	id, ok := seata.FindHeadID(head, seata.HeadNextBranch)
	if !ok || id == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ids) < seata.AheadMax {
		l.ids = append(l.ids, id)
	}
}

// reserve takes one of the link's slots, and waits for it while all are taken.
func (l *link) reserve(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
	default:
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return &lostError{cause: ctx.Err()}
		case <-l.done:
			return &lostError{cause: l.cause}
		}
	}
	if ctx.Err() != nil { // the room may have come with the end of the context
		<-l.slots
		return &lostError{cause: ctx.Err()}
	}
	return nil
}

// send queues a request for the writer. It never blocks. A slot is taken; receive, which has to follow, frees it.
func (l *link) send(r *request) error {
	r.id, r.done = l.client.nextID(), make(chan struct{})
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return &lostError{cause: l.cause}
	}
	l.queue = append(l.queue, r)
	l.mu.Unlock()
	l.signal()
	return nil
}

// receive waits for the answer to a request, of which send said err.
func (l *link) receive(ctx context.Context, r *request, err error) (seata.Message, error) {
	defer func() { <-l.slots }()
	if err != nil {
		return nil, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if lost := l.giveUp(r, ctx.Err()); lost != nil {
			return nil, lost
		}
		<-r.done
	}
	return r.reply, r.err
}

// giveUp has nobody wait for a request any more. It returns nil if the result is there, or about to be.
func (l *link) giveUp(r *request, cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.over {
		return nil
	}
	if r.sent {
		l.take(r.id)
	}
	r.over = true
	return &lostError{sent: r.sent, cause: cause}
}

// drop fails a request that cannot be encoded.
func (l *link) drop(r *request, err error) {
	l.mu.Lock()
	found := l.take(r.id)
	l.mu.Unlock()
	if found != nil {
		r.finish(nil, err)
	}
}

// gone reports whether the link is dead.
func (l *link) gone() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// question is what is asked of whichever coordinator can answer it.
type question struct {
	op, xid    string
	msg        seata.Message
	repeatable bool // the coordinator may get it twice
	merges     bool
	ahead      bool // registers a branch, whose id may be known before; it does not merge
	// elsewhere reports that an answer is a refusal that another coordinator may not give; nil: none is.
	elsewhere func(reply seata.Message) bool
}

// mergeBytesMax bounds the texts of a request that travels with others, so that a merged frame stays small.
const mergeBytesMax = 4 << 10

// small reports whether texts are short enough for a merged frame.
func small(texts ...string) bool {
	n := 0
	for _, text := range texts {
		n += len(text)
	}
	return n <= mergeBytesMax
}

// attemptsMax is how often a repeatable request is sent.
const attemptsMax = 5

// errInTrouble means that the coordinator refused for a reason of its own.
var errInTrouble = errors.New("coordinator is in trouble")

// errNoAnswer means that the coordinator said that it cannot say.
var errNoAnswer = errors.New("coordinator does not know the outcome either")

// ask has a question answered: by the coordinator that the xid names, or by any. What was certainly not sent is tried
// elsewhere; what was sent only if it is repeatable.
func (c *Client) ask(ctx context.Context, q question) (seata.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.RequestTimeout)
	defer cancel()
	return c.goOn(ctx, q, nil)
}

// attempt is one to have a question answered by a coordinator, begun and not waited for.
type attempt struct {
	l   *link
	r   *request // nil: there was no room
	err error
}

// wait waits for the answer. It has to be called.
func (a *attempt) wait(ctx context.Context) (seata.Message, error) {
	if a.r == nil {
		return nil, a.err
	}
	return a.l.receive(ctx, a.r, a.err)
}

// attempt sends a question to a coordinator other than except, as soon as there is one and it has room. The error says
// that there is none; a.err what became of the attempt.
func (c *Client) attempt(ctx context.Context, q question, except *link) (*attempt, error) {
	l, err := c.await(ctx, q.xid, except)
	if err != nil {
		return nil, err
	}
	a := &attempt{l: l}
	if a.err = l.reserve(ctx); a.err == nil {
		a.r = l.request(q)
		a.err = l.send(a.r)
	}
	return a, nil
}

// begin sends a question if that needs no waiting, and returns nil if it would. goOn has to follow.
func (c *Client) begin(ctx context.Context, q question) *attempt {
	l, _, err := c.pick(q.xid, nil)
	if err != nil || l == nil || ctx.Err() != nil {
		return nil
	}
	select {
	case l.slots <- struct{}{}:
	default:
		return nil
	}
	a := &attempt{l: l, r: l.request(q)}
	a.err = l.send(a.r)
	return a
}

// goOn waits for the answer to what was sent, if anything was, and does what ask promises.
func (c *Client) goOn(ctx context.Context, q question, a *attempt) (seata.Message, error) {
	var except *link
	var unknown error // why an attempt that was sent has no answer
	pause := c.backoff()
	for sent, refused := 0, 0; ; {
		var err error
		if a == nil {
			if a, err = c.attempt(ctx, q, except); err != nil {
				return nil, q.failed(unknown, err)
			}
		}
		l := a.l
		reply, err := a.wait(ctx)
		a = nil
		var lost *lostError
		switch {
		case err == nil && q.answeredBy(reply):
			if refused++; q.elsewhere == nil || !q.elsewhere(reply) || refused >= attemptsMax {
				return reply, nil
			}
			lost = &lostError{cause: errInTrouble}
		case err == nil:
			lost = &lostError{sent: true, cause: errNoAnswer}
		case !errors.As(err, &lost):
			return nil, fmt.Errorf("%s: %w", q, err)
		}
		if lost.sent {
			sent++
			unknown = lost.cause
			if !q.repeatable || sent >= attemptsMax {
				return nil, q.failed(unknown, nil)
			}
		}
		if ctx.Err() != nil {
			return nil, q.failed(unknown, lost.cause)
		}
		except = l
		if sent+refused > 1 && !pause.wait(ctx, nil) {
			return nil, q.failed(unknown, ctx.Err())
		}
	}
}

// await returns a connection, and waits for one if there is none.
func (c *Client) await(ctx context.Context, xid string, except *link) (*link, error) {
	var late <-chan time.Time
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		l, changed, err := c.pick(xid, except)
		if l != nil || err != nil {
			return l, err
		}
		if late == nil {
			timer := time.NewTimer(c.o.NodeWait)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late:
			return nil, c.trouble()
		}
	}
}

func (q question) String() string {
	if q.xid == "" {
		return q.op
	}
	return q.op + " " + q.xid
}

// failed says what is known: unknown is why something that was sent has no answer, err why nothing more was sent.
func (q question) failed(unknown, err error) error {
	switch {
	case unknown != nil && err != nil && !errors.Is(unknown, err):
		return fmt.Errorf("%s: %w: %w; %w", q, ErrUnknown, unknown, err)
	case unknown != nil:
		return fmt.Errorf("%s: %w: %w", q, ErrUnknown, unknown)
	case errors.Is(err, ErrClosed), errors.Is(err, ErrNoCoordinator):
		return fmt.Errorf("%s: %w", q, err)
	}
	return fmt.Errorf("%s: %w: %w", q, ErrNoCoordinator, err)
}

// answeredBy reports whether a reply is one to the question. A coordinator that cannot tell the outcome of a commit or
// rollback says so by answering another question, which Java clients take for an error.
func (q question) answeredBy(reply seata.Message) bool {
	if reply == nil {
		return false
	}
	return reply.TypeCode() == q.msg.TypeCode()+1
}
