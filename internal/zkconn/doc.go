// Package zkconn makes up for what go-zookeeper/zk v1.0.4 lacks: its calls have no deadline, it resolves host names
// once for all, and waits ten times its receive timeout for a server that accepts a connection and says nothing. Here
// calls have deadlines, names are resolved at each dial, and every read has a deadline.
//
// A [Link] is a connection with that, which remembers since when it has no session and why. It keeps nobody waiting and
// replaces nothing: one that had no session for too long is closed, and another one opened, by those who use it.
//
// Start reading at link.go; conn.go has the parts.
package zkconn
