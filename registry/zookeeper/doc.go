// Package zookeeper enters a node where Seata's clients look for it in ZooKeeper: an ephemeral node
// ROOT/CLUSTER/HOST:PORT with the data "true", ROOT being /registry/zk unless told otherwise. Clients read the names of
// the children and split them at the last colon, so host names work as well as addresses. The address must be the one
// that is written into every xid, because clients route by it.
//
// # Invariants
//
//   - There is one wish, to be entered or not to be, and one function, settle, that compares it with what the server
//     says and takes the next step. Every event, every failure and every 30 s it runs again; so a lost session, a
//     restarted or emptied server, an entry removed by hand and a write of unknown outcome are all mended alike.
//   - An entry that is left over from an earlier session of this process is replaced in one atomic step. One of an
//     unknown session is not touched: it is either the leftover of a killed process, which ends with its session, or
//     a second node with the same address, which is a mistake that [Registry.Health] names.
//   - No call waits for longer than its deadline. The client library has none, so each call is made in a goroutine
//     that ends at the latest when its connection is closed.
//   - A running node never stops because ZooKeeper is away. [Registry.Run] returns when its context ends, only then.
//
// # The library
//
// go-zookeeper/zk v1.0.4 drops events when its channel is full, so the callback is used, and every event is no more
// than a hint to look again. It resolves host names once for all; here names are resolved at each dial. It keeps the
// last transaction id that it saw, which a server whose data were removed refuses for ever; so a connection that has
// had no session for twice the session timeout is replaced by a new one. It waits ten times its receive timeout for a
// server that accepts and says nothing; here every read has a deadline.
//
// # Where to start reading
//
// registry.go for the life of a registration, settle.go for one step of it; the connection is that of internal/zkconn.
package zookeeper
