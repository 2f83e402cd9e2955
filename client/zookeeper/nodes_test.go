package zookeeper

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/concord-tx/concord/client"
)

func TestMain(m *testing.M) {
	stop := startParts()
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		stop()
		os.Exit(code)
	}))
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no server":      {},
		"no port":        {Servers: []string{"zk"}},
		"two clusters":   {Servers: []string{"zk:2181"}, Cluster: "a/b"},
		"relative root":  {Servers: []string{"zk:2181"}, Root: "registry"},
		"half a digest":  {Servers: []string{"zk:2181"}, Digest: "user"},
		"negative limit": {Servers: []string{"zk:2181"}, SessionTimeout: -1},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := client.Open(ctx, client.Options{Application: "a", Nodes: Nodes(o)}); err == nil || ctx.Err() != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

func TestAServerThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	n := Nodes(Options{Servers: []string{listener.Addr().String()}, SessionTimeout: 50 * time.Millisecond})
	if err := n.Watch(t.Context(), func([]string) { t.Error("nodes were told") }); err == nil {
		t.Error("no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Watch(ctx, func([]string) {}); err != nil {
		t.Error(err)
	}
}
