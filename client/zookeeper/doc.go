// Package zookeeper finds coordinators in ZooKeeper, where Concord and Seata enter themselves: the names of the
// children of ROOT/CLUSTER, which are HOST:PORT, ROOT being /registry/zk unless told otherwise.
//
//	nodes := zookeeper.Nodes(zookeeper.Options{Servers: []string{"zk-1:2181", "zk-2:2181", "zk-3:2181"}})
//	c, err := client.Open(ctx, client.Options{Application: "orders", Nodes: nodes})
//
// # Invariants
//
//   - Events are hints: what counts is what is read after them, and it is read every 30 s without any.
//   - A client whose ZooKeeper is away, or has lost its entries, goes on with the coordinators that it knows.
//   - No call waits for longer than the session timeout, and a connection that has had no session for twice that time
//     is replaced by a new one.
//   - The connection lives as long as the client that watches; no goroutine is left behind.
package zookeeper
