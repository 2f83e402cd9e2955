package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

// Nodes says which coordinators there are.
type Nodes interface {
	// Watch calls update at once, and with each change, with the addresses "host:port" of all coordinators, until ctx
	// ends; then it returns nil. An error makes the client call it again after a pause; addresses stay as they were.
	// An update without addresses is ignored: a registry that has lost its entries must not cut off who works.
	Watch(ctx context.Context, update func(addresses []string)) error
}

// Static returns coordinators that do not change. Host names are resolved with each connection that is made.
func Static(addresses ...string) Nodes { return static(slices.Clone(addresses)) }

type static []string

// Watch implements Nodes.
func (s static) Watch(ctx context.Context, update func(addresses []string)) error {
	update(slices.Clone(s))
	<-ctx.Done()
	return nil
}

// Check says what is wrong with addresses that cannot be anything but a mistake.
func (s static) Check() error {
	if len(s) == 0 {
		return errors.New("no coordinator is named")
	}
	for _, address := range s {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return fmt.Errorf("address %q is not host:port", address)
		}
	}
	return nil
}

// watch follows the nodes until the client is closed.
func (c *Client) watch(ctx context.Context) {
	pause := c.backoff()
	for ctx.Err() == nil {
		err := c.o.Nodes.Watch(ctx, func(addresses []string) {
			pause.reset()
			c.setNodes(ctx, addresses)
		})
		if ctx.Err() != nil {
			return
		}
		c.log.Warn("watching for coordinators failed, trying again", "err", err)
		c.mu.Lock()
		c.unwatched = err
		c.mu.Unlock()
		if !pause.wait(ctx, nil) {
			return
		}
	}
}

// setNodes starts a supervisor for each new address and retires those that are gone.
func (c *Client) setNodes(ctx context.Context, addresses []string) {
	wanted := make(map[string]bool, len(addresses))
	for _, address := range addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			c.log.Warn("address of a coordinator is not host:port, ignored", "address", address)
			continue
		}
		wanted[address] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if len(wanted) == 0 {
		c.log.Warn("no coordinator is left in the registry, keeping those that were known")
		return
	}
	for address := range wanted {
		if c.nodes[address] == nil {
			n := newNode(c, address)
			c.nodes[address] = n
			c.running.Go(func() { n.supervise(ctx) })
		}
	}
	for address, n := range c.nodes {
		if !wanted[address] {
			delete(c.nodes, address)
			n.retire()
		}
	}
	c.announce()
}

// backoff is a sequence of pauses that grow to a limit, each drawn from the upper half of its range, so that clients
// that lost a coordinator at the same time do not come back at the same time.
type backoff struct{ first, most, next time.Duration }

func (c *Client) backoff() *backoff {
	return &backoff{first: c.o.ReconnectMin, most: c.o.ReconnectMax, next: c.o.ReconnectMin}
}

func (b *backoff) reset() { b.next = b.first }

// wait sleeps for the next pause. It reports whether neither ctx has ended nor stop was closed.
func (b *backoff) wait(ctx context.Context, stop <-chan struct{}) bool {
	d := b.next/2 + rand.N(b.next/2+1)
	b.next = min(2*b.next, b.most)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-stop:
	}
	return false
}
