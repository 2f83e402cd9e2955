package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// member is a node's part in a cluster: its lease, its sessions, and whether its process runs.
type member struct {
	n      *node
	p      *machine
	place  int
	handle *handle
	log    *packLog

	// joined is false from when the node knows that its lease is lost until it has a new one.
	joined bool
	// until is the end of the lease as the node can be certain of it: counted from when it asked.
	until time.Duration

	busy     time.Duration // until when the processor has work
	paused   bool
	frozen   []func() // what the process will do when it is continued
	draining bool
	tries    int // to join
	// doubts is when the coordinator was told that it may not send, without those of which it is known what.
	doubts  []txn.Millis
	session *session
	// remote is who else has sessions for a resource, as the node read it last.
	remote map[string][]int
}

const (
	leaseFor       = 3 * time.Second
	heartbeatEvery = 700 * time.Millisecond
	// leaseMargin is how much earlier than it must a node stops to work.
	leaseMargin = 200 * time.Millisecond
)

// session is the connections of clients to a process, until they are closed. Nil is one that stays open.
type session struct {
	closed bool
	then   []func()
}

func (s *session) open() bool { return s == nil || !s.closed }

func (s *session) onClose(do func()) {
	if s != nil {
		s.then = append(s.then, do)
	}
}

// session returns the connection by which clients reach the node now.
func (n *node) session() *session {
	if n.member == nil {
		return nil
	}
	return n.member.session
}

// dropSessions closes all connections of clients.
func (m *member) dropSessions() {
	w := m.n.w
	s := m.session
	m.session = &session{}
	s.closed = true
	for _, do := range s.then {
		w.after(w.about(w.plan.delay), do)
	}
}

func (m *member) accepts() bool { return m.joined && !m.draining && !m.p.cut[toClients] }

// certain reports whether the lease certainly holds.
func (m *member) certain() bool {
	return m.n.w.mutation == Overstay || m.joined && m.n.w.now < m.until-leaseMargin
}

// sends is Options.Member, and counts the commands that did not leave.
func (m *member) sends() bool {
	sure := m.certain()
	if !sure {
		m.doubts = append(m.doubts, nodeClock{m.n}.Now())
	}
	return sure
}

// excuse notes the attempts of which a change says that they are over because the node was not certain of its lease:
// each once, and no more than there were. The coordinator may have been at something else in between.
func (m *member) excuse(g *txn.Global) {
	w, now := m.n.w, nodeClock{m.n}.Now()
	for _, b := range g.Branches {
		k := withheld{g.XID.ID, b.ID, g.Status, b.Attempts, b.NextAt}
		why := b.Failure == orchestrator.ErrNotMember.Error() && b.InFlightUntil == 0 && b.NextAt != 0
		if !why || w.cluster.withheld[k] || len(m.doubts) == 0 {
			continue
		}
		w.cluster.withheld[k] = true
		last := len(m.doubts) - 1
		since := m.doubts[last]
		m.doubts = m.doubts[:last]
		cmd := m.unsent(g, b, since)
		w.attempted(m.n, cmd, w.note("command not sent", g.XID.ID, b.ID, "no lease"), now, false)
		w.logs.Attempts[len(w.logs.Attempts)-1].Err = true
	}
}

// unsent is the command of the last attempt at a branch, which was not sent at a time. That it is made may have been
// stored long before.
func (m *member) unsent(g *txn.Global, b *txn.Branch, at txn.Millis) txn.Command {
	cmd := txn.Command{
		XID: g.XID, BranchID: b.ID, Kind: b.Kind, Op: g.Status.Outcome(), Call: b.Call, Attempt: b.Attempts,
	}
	if b.Step != nil {
		if cmd.Step = b.Step.Name; cmd.Op == 0 {
			cmd.Op = txn.Forward
		}
	}
	wait := rules().Retry.Answer
	if b.Call != nil && b.Call.Timeout > 0 && b.Call.Reply == "" && b.Kind != txn.StepWorker {
		wait = b.Call.Timeout + callSlack
	}
	cmd.Until = at.Add(wait)
	// By this life of the node, or as the last thing.
	last := true
	for _, l := range slices.Backward(m.n.w.logs.Writes) {
		if l.ID() != g.XID.ID {
			continue
		}
		stored, _ := l.Global.Branch(b.ID)
		same := stored != nil && stored.Attempts == b.Attempts && stored.InFlightUntil != 0
		if same && (last || l.Epoch == m.n.epoch) {
			cmd.Until = stored.InFlightUntil
			break
		}
		last = false
	}
	return cmd
}

// withheld is an attempt at a branch that was not made, and when the next one is planned.
type withheld struct {
	id, branch int64
	status     txn.Status
	number     uint32
	next       txn.Millis
}

// join takes a new lease.
func (m *member) join(epoch int, until time.Duration) {
	m.n.epoch, m.until, m.joined = epoch, until, true
}

// beat renews the lease, or notes that it is lost.
func (m *member) beat() {
	n, w := m.n, m.n.w
	n.after(heartbeatEvery, m.beat)
	if !m.joined {
		return
	}
	if w.now > m.until {
		m.lose("its lease is over")
		return
	}
	asked, epoch := w.now, n.epoch
	m.handle.ask(func() error { return m.handle.db.renew(epoch) }, func(err error) {
		switch {
		case !m.joined || n.epoch != epoch:
		case errors.Is(err, orchestrator.ErrNotMember):
			m.lose("another node has declared it dead")
		case err == nil:
			m.until = asked + leaseFor
		}
	})
}

// lose notes that the node is no member any more: its clients go elsewhere, and it joins again.
func (m *member) lose(why string) {
	m.n.w.note("node is no member", 0, int64(m.n.epoch), why)
	m.joined = false
	m.dropSessions()
	m.n.after(100*time.Millisecond+m.n.w.upTo(time.Second), m.rejoin)
}

// rejoin joins again. What the node remembers from before is worth nothing.
func (m *member) rejoin() {
	n, w := m.n, m.n.w
	var epoch int
	asked := w.now
	m.tries++
	try := m.tries
	m.handle.ask(func() error {
		if n.dead || try < m.tries {
			return errLost // a try that is given up must not end the life that a later one has begun
		}
		epoch, _ = m.handle.db.join(m.place)
		return nil
	}, func(err error) {
		if err != nil {
			n.after(500*time.Millisecond, m.rejoin)
			return
		}
		m.join(epoch, asked+leaseFor)
		w.note("node joins again", 0, int64(epoch), "")
		n.c.Rejoin()
	})
}

// look declares those dead whose lease is over, and reads who has which sessions.
func (m *member) look() {
	if !m.joined || m.handle.unreachable() {
		return
	}
	m.handle.db.declareDead(m.n.w.now)
	m.remote = m.handle.db.sessionsBut(m.place)
}

// pause stops the process for a while (SIGSTOP). Time goes on, and what arrives waits in its sockets.
func (m *member) pause(d time.Duration) {
	n, w := m.n, m.n.w
	if m.paused {
		return
	}
	w.note("node paused, ms", 0, d.Milliseconds(), n.name())
	m.paused = true
	w.after(d, m.wake)
}

// wake continues the process (SIGCONT).
func (m *member) wake() {
	if !m.paused || m.n.dead {
		return
	}
	m.paused = false
	n, w := m.n, m.n.w
	w.note("node continued", 0, int64(n.epoch), n.name())
	todo := m.frozen
	m.frozen = nil
	for _, do := range todo {
		n.after(0, do)
	}
}

// drain lets the clients go, finishes what is under way, and restarts the process.
func (m *member) drain() {
	n, w := m.n, m.n.w
	w.note("node drains", 0, int64(n.epoch), n.name())
	m.draining = true
	n.after(2*time.Second, func() {
		m.dropSessions()
		n.after(500*time.Millisecond, func() {
			w.note("node leaves", 0, int64(n.epoch), n.name())
			n.dead = true
			w.addStats(n.c.Stats())
			m.handle.db.fence(n.epoch)
			w.after(w.upTo(2*time.Second), func() { w.cluster.start(m.place) })
		})
	})
}
