package zookeeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/concord-tx/concord/internal/zkconn"
)

// Times of the registry itself.
const (
	openMax    = 10 * time.Second       // for the first session
	openWait   = 2 * time.Second        // the same with Options.Wait
	checkEvery = 30 * time.Second       // between two looks at an entry that is as it should be
	retryFirst = 200 * time.Millisecond // after a failure; doubled each time
	retryMax   = 5 * time.Second
)

// sessionsMax is the number of own sessions that are remembered.
const sessionsMax = 16

// Why a node is not entered, where it is nobody's fault.
var (
	errNotYet = errors.New("not entered in ZooKeeper yet")
	errSilent = errors.New("ZooKeeper did not answer in time")
	errLeft   = errors.New("has left the registry in ZooKeeper")
	errClosed = errors.New("registry is closed")
)

// Registry keeps one node entered. All methods may be called concurrently.
type Registry struct {
	o            Options
	parent, path string
	turn         chan struct{} // one token: who has it may settle, or replace the link
	wake         chan struct{} // a hint that something changed

	mu       sync.Mutex
	link     *link
	closed   bool
	left     bool      // Deregister was called
	withdrew error     // why the node is not to be found for the time being, or nil
	entered  int64     // session that has the entry; 0: not entered as far as we know
	since    time.Time // of being entered or not
	why      error     // why not
	sessions []int64   // the last sessions of this process
	stats    Stats
}

// Stats are numbers since Open.
type Stats struct {
	// Entered is true while the node is entered, as far as is known. Since is when that changed.
	Entered bool
	Since   time.Time
	// Entries counts how often the node was entered, Connects how often a server accepted a connection for a session,
	// old or new, Replaced the connections that had no session for too long, Failures the attempts that failed.
	Entries, Connects, Replaced, Failures int64
}

// Open connects to ZooKeeper, makes the parents of the entry if they are missing, and checks that this node may be
// entered there. It enters nothing: that is Run's. Errors name the setting to change; with Options.Wait, servers that
// cannot be reached are none.
func Open(ctx context.Context, o Options) (*Registry, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	r := &Registry{
		o: o, parent: o.Root + "/" + o.Cluster, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		since: time.Now(), why: errNotYet,
	}
	r.path = r.parent + "/" + o.Address
	l, err := newLink(o, r.changed)
	if err != nil {
		return nil, fmt.Errorf("zookeeper.servers (--zookeeper): %w", err)
	}
	r.link = l
	if err := r.check(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// check waits for a session and sees whether the node may be entered.
func (r *Registry) check(ctx context.Context) error {
	limit := openMax
	if r.o.Wait {
		limit = openWait
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for r.link.Away() > 0 {
		select {
		case <-r.wake:
			continue
		case <-ctx.Done():
			return fmt.Errorf("wait for ZooKeeper: %w", ctx.Err())
		case <-timer.C:
		}
		err := r.link.trouble(r.o.Servers)
		if !r.o.Wait {
			return fmt.Errorf("zookeeper.servers (--zookeeper): %w within %s", err, limit)
		}
		r.record(err)
		return nil
	}
	if r.o.Address == "" {
		return nil
	}
	err := r.probe(ctx, r.link)
	if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) || !r.o.Wait {
		return err
	}
	r.record(err)
	return nil
}

// changed is told of each event.
func (r *Registry) changed(s zk.State) {
	r.mu.Lock()
	switch s {
	case zk.StateHasSession:
		r.stats.Connects++
	case zk.StateExpired:
		r.lose(errors.New("the session expired"))
	}
	r.mu.Unlock()
	if s == zk.StateConnecting || s == zk.StateConnected {
		return // nothing to do about
	}
	r.hint()
}

// Run keeps the node entered until ctx ends. It returns nil, and nothing before that; the entry stays until Deregister
// or Close.
func (r *Registry) Run(ctx context.Context) error {
	delay := retryFirst
	for {
		wait := checkEvery
		if err := r.attempt(ctx); err != nil {
			wait, delay = delay, min(2*delay, retryMax)
		} else {
			delay = retryFirst
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-r.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// attempt takes the turn, replaces a link that is of no use any more, and settles.
func (r *Registry) attempt(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := r.relink(); err != nil {
		return err
	}
	err := r.settle(ctx, r.current())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.record(err)
	return err
}

// relink replaces a link that has had no session for so long that its session must be over. One that the server
// refuses for good, for example because the server's data were removed, is mended by that.
func (r *Registry) relink() error {
	old := r.current()
	limit := 2 * r.o.SessionTimeout
	if old.Away() <= limit {
		return nil
	}
	r.o.Logger.Debug("replacing the connection to zookeeper", "after", old.Away())
	old.Close()
	fresh, err := newLink(r.o, r.changed)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		go fresh.Close()
		return errClosed
	}
	r.link = fresh
	r.stats.Replaced++
	r.lose(errors.New("the connection was lost for too long"))
	return nil
}

func (r *Registry) current() *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.link
}

// lose notes that the entry is gone. The caller holds mu.
func (r *Registry) lose(why error) {
	if r.entered == 0 {
		return
	}
	r.entered, r.since, r.why = 0, time.Now(), why
	r.o.Logger.Warn("no longer entered in zookeeper", "address", r.o.Address, "cluster", r.o.Cluster, "err", why)
}

// record notes how an attempt ended, and logs what is new.
func (r *Registry) record(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Failures++
	if r.entered != 0 || r.closed {
		return // away for a moment; the event that ends the session is still to come
	}
	if r.why == nil || r.why.Error() != err.Error() {
		r.o.Logger.Warn("not entered in zookeeper", "address", r.o.Address, "cluster", r.o.Cluster, "err", err)
	}
	r.why = err
}

// Withdraw takes the entry away for the time being, because clients that find this node would not be served; why says
// so in [Registry.Health]. It returns at once; Run does it. [Registry.Enter] ends it.
func (r *Registry) Withdraw(why error) {
	if why == nil {
		why = errors.New("withdrawn")
	}
	r.wish(why)
}

// Enter ends what Withdraw began. It changes nothing after Deregister.
func (r *Registry) Enter() { r.wish(nil) }

func (r *Registry) wish(withdrew error) {
	r.mu.Lock()
	r.withdrew = withdrew
	r.mu.Unlock()
	r.hint()
}

// hint has Run look again.
func (r *Registry) hint() {
	select {
	case r.wake <- struct{}{}:
	default: // a hint is there already
	}
}

// Deregister removes the entry and keeps it removed; Run may go on. Call it before the node stops to serve, so that
// clients go elsewhere. An error says that ZooKeeper could not be told within ctx or the session timeout; the entry
// then ends with the session.
func (r *Registry) Deregister(ctx context.Context) error {
	r.mu.Lock()
	r.left = true
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, r.o.SessionTimeout)
	defer cancel()
	ticker := time.NewTicker(retryFirst)
	defer ticker.Stop()
	last := error(nil)
	for {
		err := r.attempt(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("leave the registry in ZooKeeper: %w", cmp.Or(last, r.silence()))
		case <-ticker.C:
		}
	}
}

// silence says why nothing was heard of ZooKeeper in time.
func (r *Registry) silence() error {
	if l := r.current(); l.Away() > 0 {
		return l.trouble(r.o.Servers)
	}
	return errSilent
}

// Health returns nil while the node is entered, and otherwise why it is not. A connection that is lost for less than
// two thirds of the session timeout does not count: the entry is still there.
func (r *Registry) Health() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	away := r.link.Away()
	switch {
	case r.closed:
		return errClosed
	case r.left:
		return errLeft
	case away > r.o.SessionTimeout*2/3:
		return fmt.Errorf("%w (for %s)", r.link.trouble(r.o.Servers), away.Truncate(time.Second/10))
	case r.withdrew != nil:
		return fmt.Errorf("withdrawn from the registry in ZooKeeper: %w", r.withdrew)
	case r.o.Address != "" && r.entered == 0:
		return r.why
	}
	return nil
}

// Stats returns the numbers since Open.
func (r *Registry) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Entered, s.Since = r.entered != 0, r.since
	return s
}

// Nodes returns the addresses that are entered in the cluster, sorted. Names that are no addresses are left out, as
// clients do.
func (r *Registry) Nodes(ctx context.Context) ([]string, error) {
	l := r.current()
	if l.Away() > 0 {
		return nil, l.trouble(r.o.Servers)
	}
	names, err := zkconn.Call(ctx, r.o.SessionTimeout, func() ([]string, error) {
		names, _, err := l.Conn.Children(r.parent)
		return names, err
	})
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s in ZooKeeper: %w", r.parent, err)
	}
	names = slices.DeleteFunc(names, func(s string) bool {
		_, _, err := splitAddress(s)
		return err != nil || strings.Contains(s, "=")
	})
	slices.Sort(names)
	return names, nil
}

// Close ends the session, and with it the entry. Run should have ended.
func (r *Registry) Close() {
	r.mu.Lock()
	was := r.closed
	r.closed = true
	l := r.link
	r.mu.Unlock()
	if !was {
		l.Close()
	}
}
