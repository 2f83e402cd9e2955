//go:build parts

package redisfence

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

// server is the one Redis of this package's tests.
var server struct {
	dir, address string
	uses         atomic.Int64
}

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "concord-redis-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server.dir = dir
	for _, args := range [][]string{{"install"}, {"start", dir}} {
		if err := script(args...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	defer func() { _ = script("stop", dir) }()
	port, err := os.ReadFile(filepath.Join(dir, "port"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server.address = "127.0.0.1:" + strings.TrimSpace(string(port))
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func script(args ...string) error {
	cmd := exec.Command("../../../.ci/parts/redis.sh", args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// wire makes connections that lose the answer to the next EXEC, or to the next script, when they are told to: the
// server has done it, and the connection ends.
type wire struct {
	losing atomic.Bool
	lost   atomic.Int32
}

type losing struct {
	net.Conn
	wire *wire
	dead atomic.Bool
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &losing{Conn: c, wire: w}, nil
}

func (c *losing) Write(b []byte) (int, error) {
	text := strings.ToLower(string(b))
	if (strings.Contains(text, "$4\r\nexec\r\n") || strings.Contains(text, "\r\neval")) &&
		c.wire.losing.CompareAndSwap(true, false) {
		c.dead.Store(true)
		c.wire.lost.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *losing) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b) // the server has answered, so it is done
	if c.dead.Load() {
		_ = c.Conn.Close()
		return 0, io.ErrUnexpectedEOF // as it is, or go-redis does not know it
	}
	return n, err
}

// setup returns a store in an empty one of Redis's 16 databases, and its client.
func setup(t testing.TB, prefix string, w *wire) (*Store, *redis.Client) {
	t.Helper()
	o := &redis.Options{Addr: server.address, DB: int(server.uses.Add(1) % 16)}
	if w != nil {
		o.Dialer = w.dial
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	if err := c.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s, err := New(c, Options{Prefix: prefix + ":"})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}
