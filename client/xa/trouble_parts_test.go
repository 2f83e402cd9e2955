//go:build parts

package xa_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/concord-tx/concord/client/xa"
	"github.com/concord-tx/concord/tc/seata"
)

// cable is a TCP proxy before the database. It cuts every connection at a statement: before the server gets it, or when
// the server has answered and before the client hears it.
type cable struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu       sync.Mutex
	at       string // text of the statement; "": cut nothing
	answered bool   // cut after the answer
	cuts     int
	conns    []net.Conn
}

func newCable(t *testing.T, target string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l, target: target}
	c.running.Go(c.accept)
	t.Cleanup(func() {
		_ = l.Close()
		c.mu.Lock()
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.mu.Unlock()
		c.running.Wait()
	})
	return c
}

func (c *cable) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c.mu.Lock()
		c.conns = append(c.conns, client, server)
		c.mu.Unlock()
		cut := make(chan struct{})
		c.running.Go(func() { c.up(client, server, cut) })
		c.running.Go(func() { c.down(client, server, cut) })
	}
}

// up copies what the client sends. A statement travels in one segment here.
func (c *cable) up(client, server net.Conn, cut chan struct{}) {
	defer func() { _ = client.Close(); _ = server.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		c.mu.Lock()
		hit := c.at != "" && bytes.Contains(buffer[:n], []byte(c.at))
		answered := c.answered
		if hit {
			c.cuts++
			c.at = ""
		}
		c.mu.Unlock()
		if hit && !answered {
			return
		}
		if hit {
			close(cut)
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (c *cable) down(client, server net.Conn, cut chan struct{}) {
	defer func() { _ = client.Close(); _ = server.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-cut:
			return // the client does not hear the answer
		default:
		}
		if _, err := client.Write(buffer[:n]); err != nil && !errors.Is(err, io.EOF) {
			return
		}
	}
}

func (c *cable) cutAt(text string, answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.answered, c.cuts = text, answered, 0
}

func (c *cable) cutCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts
}

// TestALostConnectionAtAnyStepLosesNoMoney cuts the connection at each statement of a branch, and then has the
// coordinator do what its caller's error demands.
func TestALostConnectionAtAnyStepLosesNoMoney(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"XA START", "UPDATE", "XA END", "XA PREPARE"} {
		for _, answered := range []bool{false, true} {
			name := step + " before"
			if answered {
				name = step + " after"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := prepare(t, xa.Options{})
				wire := newCable(t, address(t, s.dsn))
				s.dsn = strings.Replace(s.dsn, address(t, s.dsn), wire.listener.Addr().String(), 1)
				s.db = s.open(t, xa.Options{RecoverEvery: -1, ResourceID: "through the cable"})
				wire.cutAt(step, answered)
				err := localTransaction(s)
				if wire.cutCount() != 1 {
					t.Fatal("nothing was cut")
				}
				if err == nil && step != "XA START" {
					t.Fatal("there is no error") // database/sql may begin again on another connection
				}
				if lost := step == "XA PREPARE"; lost != errors.Is(err, xa.ErrUnprepared) {
					t.Errorf("the error is %v", err)
				}
				for _, b := range s.notes.all(s.xid) {
					eventually(t, "the database has noticed", func() bool { return s.quiet(t) })
					got, _ := s.notes.resource.Rollback(t.Context(), b)
					if got != seata.BranchRollbacked && (step != "XA PREPARE" || got != seata.BranchRollbackXAERNOTARetryable) {
						t.Errorf("the rollback of branch %d answers %v", b.ID, got)
					}
				}
				s.expect(t, "at the end", 100)
				if n := s.prepared(t); n != 0 {
					t.Errorf("%d branches are prepared", n)
				}
				must(t, s.bare, "UPDATE account SET balance = 1 WHERE id = 1") // nothing is locked
			})
		}
	}
}

// quiet reports whether no connection of the database runs a statement any more.
func (s *setup) quiet(t *testing.T) bool {
	t.Helper()
	var n int
	err := s.bare.QueryRowContext(t.Context(),
		"SELECT COUNT(*) FROM information_schema.processlist"+
			" WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command <> 'Sleep'").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n == 0
}

// localTransaction takes 10 of the first account.
func localTransaction(s *setup) error {
	tx, err := s.db.BeginTx(s.ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(s.ctx, "UPDATE account SET balance = balance - 10 WHERE id = 1"); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// TestASecondPhaseWhoseAnswerIsLostIsRepeated cuts the connection at the second phase.
func TestASecondPhaseWhoseAnswerIsLostIsRepeated(t *testing.T) {
	t.Parallel()
	for _, held := range []int{0, -1} {
		for _, answered := range []bool{false, true} {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				s := prepare(t, xa.Options{})
				wire := newCable(t, address(t, s.dsn))
				s.dsn = strings.Replace(s.dsn, address(t, s.dsn), wire.listener.Addr().String(), 1)
				s.db = s.open(t, xa.Options{RecoverEvery: -1, HeldMax: held})
				s.take(t)
				b := s.notes.only(t, s.xid)
				wire.cutAt("XA COMMIT", answered)
				got, err := s.notes.resource.Commit(t.Context(), b)
				if wire.cutCount() != 1 {
					t.Fatal("nothing was cut")
				}
				if got != seata.BranchCommitted && got != seata.BranchCommitFailedRetryable {
					t.Errorf("the answer is %v (%v)", got, err)
				}
				eventually(t, "the second phase is done", func() bool {
					got, _ = s.notes.resource.Commit(t.Context(), b)
					return got == seata.BranchCommitted
				})
				s.expect(t, "at the end", 90)
				if n := s.prepared(t); n != 0 {
					t.Errorf("%d branches are prepared", n)
				}
			})
		}
	}
}
