package zookeeper

import (
	"fmt"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/concord-tx/concord/internal/zkconn"
)

// link is a connection, and whether it has been given the credentials.
type link struct {
	*zkconn.Link
	authed bool // owned by whoever has the turn
}

// newLink connects. changed is called at each event, from the library's goroutines, and must not block.
func newLink(o Options, changed func(zk.State)) (*link, error) {
	l, err := zkconn.Open(o.Servers, o.SessionTimeout, o.Logger, changed)
	if err != nil {
		return nil, err
	}
	return &link{Link: l}, nil
}

// trouble says why there is no session.
func (l *link) trouble(servers []string) error {
	if err := l.Refused(); err != nil {
		return fmt.Errorf("no session with ZooKeeper at %s: %w", strings.Join(servers, ","), err)
	}
	return fmt.Errorf("no session with ZooKeeper at %s, which accepts connections but gives none",
		strings.Join(servers, ","))
}
