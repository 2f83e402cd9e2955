package client

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// changing are nodes that a test changes.
type changing chan []string

// Watch implements Nodes. A nil list is a failure.
func (c changing) Watch(ctx context.Context, update func([]string)) error {
	for {
		select {
		case addresses := <-c:
			if addresses == nil {
				return errors.New("registry is away")
			}
			update(addresses)
		case <-ctx.Done():
			return nil
		}
	}
}

func TestConnectionsFollowTheNodes(t *testing.T) {
	t.Parallel()
	status := func(conn *fakeConn, f seata.Frame) { conn.send(seata.Response, f.Header.ID, statusOf(f.Message)) }
	one, two := newFake(t, status), newFake(t, status)
	first, second := one.listener.Addr().String(), two.listener.Addr().String()
	nodes := make(changing, 1)
	nodes <- []string{first, "nonsense", first}
	c := open(t, Options{Nodes: nodes, RequestTimeout: patience})
	is := func(want ...string) {
		t.Helper()
		slices.Sort(want)
		eventually(t, "connected as told", func() bool { return slices.Equal(c.Connected(), want) })
	}
	is(first)
	nodes <- []string{second, first}
	is(first, second)
	nodes <- nil // the watch fails and is begun anew; what is known stays
	nodes <- []string{}
	nodes <- []string{second}
	is(second)
	if _, err := c.Status(t.Context(), first+":1"); err != nil {
		t.Error(err)
	}
	if n := len(two.seen()); n != 1 {
		t.Errorf("the node that is left was asked %d times", n)
	}
	nodes <- []string{first}
	is(first)
}

func TestOpenSaysWhyNoNodesAreKnown(t *testing.T) {
	t.Parallel()
	nodes := make(changing, 1)
	nodes <- nil
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, Options{Application: "a", Nodes: nodes})
	if !errors.Is(err, ErrNoCoordinator) || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "registry is away") {
		t.Errorf("%v", err)
	}
}

func TestANodeThatLeavesAnswersWhatItWasAsked(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	one := newFake(t, func(conn *fakeConn, f seata.Frame) {
		<-release
		conn.send(seata.Response, f.Header.ID, &seata.GlobalCommitResponse{
			Result: seata.Succeeded(), Status: seata.GlobalCommitted,
		})
	})
	two := newFake(t, nil)
	nodes := make(changing, 1)
	nodes <- []string{one.listener.Addr().String()}
	c := open(t, Options{Nodes: nodes})
	done := make(chan error, 1)
	go func() {
		_, err := c.Commit(t.Context(), "a:1:1")
		done <- err
	}()
	one.wait("the commit", func(frames []seata.Frame) bool { return len(frames) == 1 })
	nodes <- []string{two.listener.Addr().String()}
	eventually(t, "the other one is used", func() bool {
		return slices.Equal(c.Connected(), []string{two.listener.Addr().String()})
	})
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := Options{Application: "a", Nodes: Static("h:1")}
	for name, change := range map[string]func(*Options){
		"no application": func(o *Options) { o.Application = "" },
		"colon":          func(o *Options) { o.Application = "a:b" },
		"no nodes":       func(o *Options) { o.Nodes = nil },
		"empty nodes":    func(o *Options) { o.Nodes = Static() },
		"no port":        func(o *Options) { o.Nodes = Static("host") },
		"half a key":     func(o *Options) { o.AccessKey = "k" },
		"negative limit": func(o *Options) { o.MergeMax = -1 },
		"negative time":  func(o *Options) { o.CloseWait = -1 },
	} {
		o := good
		change(&o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		if _, err := Open(ctx, o); err == nil || errors.Is(err, ErrNoCoordinator) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	if err := good.check(); err != nil {
		t.Error(err)
	}
}

func TestPausesGrowAndDiffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backoff{first: 2 * time.Second, most: 8 * time.Second, next: 2 * time.Second}
		drawn := map[time.Duration]bool{}
		for _, most := range []time.Duration{2, 4, 8, 8, 8, 8} {
			began := time.Now()
			if !b.wait(t.Context(), nil) {
				t.Fatal("interrupted")
			}
			d := time.Since(began)
			if drawn[d] = true; d < most*time.Second/2 || d > most*time.Second {
				t.Errorf("waited %s of %s to %s", d, most*time.Second/2, most*time.Second)
			}
		}
		if len(drawn) < 4 {
			t.Errorf("pauses do not differ: %v", drawn)
		}
		b.reset()
		stop := make(chan struct{})
		close(stop)
		if began := time.Now(); b.wait(t.Context(), stop) || time.Since(began) > 0 {
			t.Error("not interrupted")
		}
	})
}

func TestAnXIDNamesACoordinatorByItsAddressToo(t *testing.T) {
	t.Parallel()
	status := func(conn *fakeConn, f seata.Frame) { conn.send(seata.Response, f.Header.ID, statusOf(f.Message)) }
	one, two := newFake(t, status), newFake(t, status)
	var names []string
	for _, f := range []*fakeTC{one, two} {
		_, port, err := net.SplitHostPort(f.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, "localhost:"+port)
	}
	c := open(t, Options{Nodes: Static(names...)})
	eventually(t, "both are connected", func() bool { return len(c.Connected()) == 2 })
	for range 5 {
		if _, err := c.Status(t.Context(), two.listener.Addr().String()+":1"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(two.seen()); n != 5 {
		t.Errorf("the coordinator that the xid names was asked %d of 5 times", n)
	}
}

func TestARequestGoesWhereTheFewestAreUnderWay(t *testing.T) {
	t.Parallel()
	busy, idle := newFake(t, nil), newFake(t, nil)
	c := open(t, Options{}, busy, idle)
	eventually(t, "both are connected", func() bool { return len(c.Connected()) == 2 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { _, _ = c.Commit(ctx, busy.listener.Addr().String()+":1") })
	}
	eventually(t, "one is busy", func() bool { return c.linkTo(busy.listener.Addr().String()).load() == 3 })
	for range 2 {
		all.Go(func() { _, _ = c.Begin(ctx, "n", time.Minute) })
		idle.wait("the begin", func(frames []seata.Frame) bool { return len(frames) > 0 })
	}
	eventually(t, "both are there", func() bool { return c.linkTo(idle.listener.Addr().String()).load() == 2 })
	cancel()
	all.Wait()
}
