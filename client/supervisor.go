package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// node is one coordinator. Its supervisor keeps one connection to it.
type node struct {
	client  *Client
	address string
	retired chan struct{} // closed when the coordinator is named no more

	// Guarded by the client's mu.
	joining *link // its TM registration was accepted; it gets to know new resources
	trouble error // why there is no connection; nil: there is one, or none was tried
}

func newNode(c *Client, address string) *node {
	return &node{client: c, address: address, retired: make(chan struct{})}
}

// retire has the supervisor end in good order. It is called once.
func (n *node) retire() { close(n.retired) }

// supervise connects, and connects again after each loss, until ctx ends or the node is retired.
func (n *node) supervise(ctx context.Context) {
	pause := n.client.backoff()
	for {
		began := time.Now()
		l, err := n.connect(ctx)
		if err == nil {
			n.client.log.Info("connected to a coordinator", "address", n.address)
			err = n.keep(ctx, l)
			if time.Since(began) > n.client.o.ReconnectMax {
				pause.reset()
			}
		}
		n.failed(err)
		if n.over(ctx) || errors.Is(err, ErrClosed) {
			return
		}
		n.client.log.Warn("no connection to a coordinator, trying again", "address", n.address, "err", err)
		if !pause.wait(ctx, n.retired) {
			return
		}
	}
}

// over reports whether nobody needs a connection any more.
func (n *node) over(ctx context.Context) bool {
	select {
	case <-n.retired:
		return true
	default:
		return ctx.Err() != nil
	}
}

// failed notes why there is no connection.
func (n *node) failed(err error) {
	c := n.client
	c.mu.Lock()
	defer c.mu.Unlock()
	n.trouble = err
	c.announce()
}

// connect dials and registers. On success the link is among those that requests may use.
func (n *node) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, n.client.o.ConnectTimeout)
	defer cancel()
	l, err := dial(ctx, n)
	if err != nil {
		return nil, err
	}
	if err := n.register(ctx, l); err != nil {
		l.kill(err)
		<-l.ended
		return nil, err
	}
	return l, nil
}

// register tells who we are and what we serve.
func (n *node) register(ctx context.Context, l *link) error {
	c := n.client
	if err := l.registerTM(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	n.joining = l // a resource that comes from here on is told by Serve
	ids := c.resourceIDs()
	c.mu.Unlock()
	if err := l.registerRM(ctx, ids); err != nil {
		c.mu.Lock()
		n.joining = nil
		c.mu.Unlock()
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		n.joining = nil
		return ErrClosed
	}
	n.trouble = nil
	c.links = append(slices.Clone(c.links), l)
	c.announce()
	return nil
}

// keep waits until the connection is lost or nobody needs it any more, and returns why it ended.
func (n *node) keep(ctx context.Context, l *link) error {
	c := n.client
	select {
	case <-l.done:
	case <-ctx.Done():
	case <-n.retired:
		c.leave(n, l)
		l.drain(ctx, c.o.RequestTimeout)
	}
	c.leave(n, l)
	l.kill(errRetired)
	<-l.ended
	return l.cause
}

var errRetired = errors.New("coordinator is not in use any more")

// leave takes a link out of those that requests may use.
func (c *Client) leave(n *node, l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.joining == l {
		n.joining = nil
	}
	if i := slices.Index(c.links, l); i >= 0 {
		c.links = slices.Delete(slices.Clone(c.links), i, i+1)
		c.announce()
	}
}

// pick chooses a connection: that of the coordinator which the xid names, if it is there, else the one with the fewest
// requests under way. except is not chosen while there is another one. It returns nil and a channel that is closed when
// there may be one.
func (c *Client) pick(xid string, except *link) (*link, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	var best *link
	c.turn++ // those that are alike take turns
	for i := range c.links {
		l := c.links[(c.turn+i)%len(c.links)]
		switch {
		case l.gone(), l == except && len(c.links) > 1:
		case owns(l.node.address, xid), owns(l.remote, xid):
			return l, nil, nil
		case best == nil || l.load() < best.load():
			best = l
		}
	}
	return best, c.changed, nil
}

// owns reports whether an xid begins with an address.
func owns(address, xid string) bool {
	return len(xid) > len(address) && xid[len(address)] == ':' && xid[:len(address)] == address
}

// trouble says why no coordinator is connected.
func (c *Client) trouble() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		if n.trouble != nil {
			return fmt.Errorf("%w: %s: %w", ErrNoCoordinator, n.address, n.trouble)
		}
	}
	if c.unwatched != nil && len(c.nodes) == 0 {
		return fmt.Errorf("%w: %w", ErrNoCoordinator, c.unwatched)
	}
	return ErrNoCoordinator
}
