package orchestrator

import (
	"context"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Node is one coordinator of a cluster, as the store knows it.
type Node struct {
	// ID is chosen by the operator, or the advertised address.
	ID string
	// Epoch counts the lives of all nodes: each time a node joins it gets a higher one than anybody before.
	Epoch int64
	// Advertise is the "host:port" for Seata clients, Internal the "host:port" of the HTTP server for other nodes.
	Advertise, Internal string
	Version             string
	JoinedAt            txn.Millis
	LeaseUntil          txn.Millis
	// Draining is true while the node lets its clients go. Alive is false when its lease is over or it has left.
	Draining, Alive bool
}

// SessionEntry says that some clients of an application on a machine, connected to one node, have a resource.
type SessionEntry struct {
	Resource, Application, IP string
	Clients                   int // number of connections
}

// RemoteSession is a SessionEntry of another node whose lease holds.
type RemoteSession struct {
	SessionEntry
	Node string // Node.ID
}

// Directory knows the nodes of a cluster and who is connected where. It is implemented by store/mysql.
type Directory interface {
	// Nodes lists all nodes that were members in the last day, this one included, in order of ID.
	Nodes(ctx context.Context) ([]Node, error)
	// PublishSessions replaces what this node has published. Errors: [ErrNotMember], faults.
	PublishSessions(ctx context.Context, all []SessionEntry) error
	// RemoteSessions lists what the other live nodes have published.
	RemoteSessions(ctx context.Context) ([]RemoteSession, error)
}

// Setting is one cluster-wide setting that was changed at run time.
type Setting struct {
	Key, Value string
	Version    int64 // of the whole set, counted up with each change
	ChangedBy  string
	ChangedAt  txn.Millis
}

// SettingStore holds the settings that were changed at run time. It is implemented by store/mysql.
type SettingStore interface {
	// Settings returns all of them and the version of the set.
	Settings(ctx context.Context) (all []Setting, version int64, err error)
	// PutSetting changes one; an empty value removes it, so that the node's own configuration counts again.
	PutSetting(ctx context.Context, key, value, by string) (version int64, err error)
}
