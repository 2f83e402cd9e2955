package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/internal/gettylog"
	"github.com/concord-tx/concord/tc/seata"
)

// Options say how a [Client] connects. Application and Nodes are required; the zero value of everything else means its
// default, given in brackets.
type Options struct {
	// Application says who we are: Seata's applicationId. Coordinators look for a participant among the processes of
	// one application. At most 1024 bytes; no colon.
	Application string
	// Group is the transaction service group ["default_tx_group"].
	Group string
	// Nodes says which coordinators there are: [Static], or zookeeper.Nodes. One that has a method Check() error is
	// checked when the client is opened.
	Nodes Nodes
	// AccessKey and SecretKey sign the registration; both or none.
	AccessKey, SecretKey string
	// TLS encrypts connections [none: plain TCP]. Its ServerName is that of each address unless it is set.
	TLS *tls.Config
	// Logger gets what happens to connections and second phases [discarded].
	Logger *slog.Logger
	// RequestTimeout bounds one request, with all its attempts, if its context does not end earlier [30 s]. It has to be
	// longer than a coordinator waits for the second phase before it answers a commit, 10 s by default.
	RequestTimeout time.Duration
	// NodeWait bounds how long a request waits for a coordinator while none is connected [5 s].
	NodeWait time.Duration
	// PendingMax is the greatest number of requests of one connection that wait for an answer [10,000, which is also
	// what a coordinator allows]. Who is over it waits.
	PendingMax int
	// MergeMax is the greatest number of requests that travel in one frame when they come faster than they can be
	// written [128]; 1 merges nothing.
	MergeMax int
	// PhaseTwoConcurrency is how many second phases are done at once [32], PhaseTwoQueueMax how many wait besides
	// [4096]; a coordinator is asked to repeat those beyond. PhaseTwoTimeout is the deadline of one [30 s].
	PhaseTwoConcurrency, PhaseTwoQueueMax int
	PhaseTwoTimeout                       time.Duration
	// CloseWait bounds how long [Client.Close] waits for second phases under way [5 s].
	CloseWait time.Duration
	// ReconnectMin and ReconnectMax bound the pauses between two attempts to connect [100 ms and 10 s].
	ReconnectMin, ReconnectMax time.Duration
	// ConnectTimeout bounds one attempt to connect and register [5 s].
	ConnectTimeout time.Duration
	// WriteTimeout bounds one write; a coordinator that does not read for so long is let go [10 s].
	WriteTimeout time.Duration
	// PingAfter is how long nothing is written before a heartbeat is sent [5 s], SilenceMax how long nothing is heard
	// before a connection is given up [15 s].
	PingAfter, SilenceMax time.Duration
}

const (
	groupDefault = "default_tx_group"
	nameBytesMax = 1024
)

func (o Options) withDefaults() Options {
	o.Group = cmp.Or(o.Group, groupDefault)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.RequestTimeout = cmp.Or(o.RequestTimeout, 30*time.Second)
	o.NodeWait = cmp.Or(o.NodeWait, 5*time.Second)
	o.PendingMax = cmp.Or(o.PendingMax, 10_000)
	o.MergeMax = cmp.Or(o.MergeMax, 128)
	o.PhaseTwoConcurrency = cmp.Or(o.PhaseTwoConcurrency, 32)
	o.PhaseTwoQueueMax = cmp.Or(o.PhaseTwoQueueMax, 4096)
	o.PhaseTwoTimeout = cmp.Or(o.PhaseTwoTimeout, 30*time.Second)
	o.CloseWait = cmp.Or(o.CloseWait, 5*time.Second)
	o.ReconnectMin = cmp.Or(o.ReconnectMin, 100*time.Millisecond)
	o.ReconnectMax = max(cmp.Or(o.ReconnectMax, 10*time.Second), o.ReconnectMin)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 5*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.PingAfter = cmp.Or(o.PingAfter, 5*time.Second)
	o.SilenceMax = cmp.Or(o.SilenceMax, 15*time.Second)
	return o
}

// check says what is wrong with the options.
func (o Options) check() error {
	switch {
	case o.Application == "":
		return errors.New("option Application is missing")
	case strings.Contains(o.Application, ":"):
		return errors.New("option Application contains a colon")
	case max(len(o.Application), len(o.Group)) > nameBytesMax:
		return fmt.Errorf("option Application or Group is longer than %d bytes", nameBytesMax)
	case o.Nodes == nil:
		return errors.New("option Nodes is missing")
	case (o.AccessKey == "") != (o.SecretKey == ""):
		return errors.New("options AccessKey and SecretKey belong together")
	case min(o.PendingMax, o.MergeMax, o.PhaseTwoConcurrency, o.PhaseTwoQueueMax) < 0:
		return errors.New("a limit in the options is negative")
	case o.MergeMax > math.MaxInt16:
		return fmt.Errorf("option MergeMax is above %d", math.MaxInt16)
	case min(o.RequestTimeout, o.NodeWait, o.PhaseTwoTimeout, o.CloseWait, o.ReconnectMin, o.ReconnectMax,
		o.ConnectTimeout, o.WriteTimeout, o.PingAfter, o.SilenceMax) < 0:
		return errors.New("a duration in the options is negative")
	}
	if n, ok := o.Nodes.(interface{ Check() error }); ok {
		return n.Check()
	}
	return nil
}

// Client is the connection of a process to the coordinators. All methods may be called concurrently.
type Client struct {
	o   Options
	log *slog.Logger

	cancel  context.CancelFunc // ends everything that runs
	running sync.WaitGroup     // goroutines of the client
	lastID  atomic.Uint32      // of requests
	two     phaseTwo

	// Locks are taken in this order: mu of the client, then mu of a link.
	mu        sync.Mutex
	closed    bool
	nodes     map[string]*node
	unwatched error         // why Nodes.Watch failed last; nil: nodes were told
	links     []*link       // that are registered
	changed   chan struct{} // closed and replaced when links or nodes change
	resources map[resourceKey]Resource
	turn      int // where pick begins
}

// Open connects. It returns as soon as one coordinator has accepted the client, which goes on connecting to the others;
// or with an error, which is the context's, when ctx ends before, and an [ErrRefused] at once when every coordinator
// has refused it. The client lives until [Client.Close], not as long as ctx.
func Open(ctx context.Context, o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("open client: %w", err)
	}
	gettylog.Silence()
	o = o.withDefaults()
	c := &Client{
		o: o, log: o.Logger, nodes: map[string]*node{}, changed: make(chan struct{}),
		resources: map[resourceKey]Resource{},
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	c.two.init(running, c)
	c.running.Go(func() { c.watch(running) })
	if err := c.accepted(ctx); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("open client: %w", err)
	}
	return c, nil
}

// accepted waits until a coordinator has accepted the client.
func (c *Client) accepted(ctx context.Context) error {
	for {
		live, changed, trouble := c.state()
		switch {
		case live > 0:
			return nil
		case trouble != nil && errors.Is(trouble, ErrRefused):
			return trouble
		}
		select {
		case <-changed:
		case <-ctx.Done():
			_, _, trouble = c.state()
			if trouble != nil {
				return fmt.Errorf("%w: %w: %w", ErrNoCoordinator, ctx.Err(), trouble)
			}
			return fmt.Errorf("%w: %w", ErrNoCoordinator, ctx.Err())
		}
	}
}

// state returns how many coordinators are connected, a channel that is closed when that may have changed, and what went
// wrong last: an ErrRefused only if that is what all of them said.
func (c *Client) state() (live int, changed <-chan struct{}, trouble error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	refused := 0
	for _, n := range c.nodes {
		if errors.Is(n.trouble, ErrRefused) {
			refused++
		}
		if trouble == nil || n.trouble != nil && !errors.Is(n.trouble, ErrRefused) {
			trouble = n.trouble
		}
	}
	if refused < len(c.nodes) && errors.Is(trouble, ErrRefused) {
		trouble = nil // the others have not been heard yet
	}
	if len(c.nodes) == 0 {
		trouble = c.unwatched
	}
	return len(c.links), c.changed, trouble
}

// announce wakes everybody who waits for a change. The mutex is held.
func (c *Client) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Close ends the client: requests under way fail with [ErrClosed], second phases under way have Options.CloseWait to
// end, then their contexts end and they have as long again. No goroutine of the client is left when it returns nil; the
// error says how many second phases do not heed their context. Closing again waits for the first call and returns nil.
// A [Resource] must not call it.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		c.running.Wait()
		return nil
	}
	c.closed = true
	c.announce()
	c.mu.Unlock()
	if left := c.two.close(); left > 0 {
		c.log.Warn("second phases are interrupted, the client is closed", "left", left)
	}
	c.mu.Lock()
	links := c.links
	c.links = nil
	c.mu.Unlock()
	until := time.Now().Add(c.o.CloseWait)
	for _, l := range links {
		l.settle(until)
		l.kill(ErrClosed)
	}
	c.cancel()
	left := c.two.wait()
	c.running.Wait()
	if left > 0 {
		return fmt.Errorf("close client: %d second phases do not heed their context", left)
	}
	return nil
}

// Connected returns the addresses of the coordinators that are connected at the moment, sorted: for health checks.
func (c *Client) Connected() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	addresses := make([]string, 0, len(c.links))
	for _, l := range c.links {
		if !l.gone() {
			addresses = append(addresses, l.node.address)
		}
	}
	slices.Sort(addresses)
	return addresses
}

// nextID returns an id for a request: positive, and not used again before two thousand million others.
func (c *Client) nextID() int32 {
	for {
		if id := int32(c.lastID.Add(1) & math.MaxInt32); id != 0 {
			return id
		}
	}
}

// version is what this client tells to be: the newest whose answers all servers know to be a single merged one, and in
// which all statuses up to 17 exist. Seata 2.2.0 Version.java.
func version() (text string, v seata.ClientVersion) { return "2.2.0", seata.MakeClientVersion(2, 2, 0) }
