// Package mysql is the store of a cluster: MySQL, MariaDB or TiDB holds the truth, and any number of nodes write to it.
//
// # The path of a change
//
// [Store.Apply] hashes the rows that a change locks or frees and puts it into a queue. A goroutine, a lane, takes all
// that is queued as one transaction: it reads what the changes need with SELECT … FOR UPDATE by primary key, in
// key order and in three statements (transactions, locks, packs); decides in memory which of them succeed; writes the
// rest with a few multi-row statements; and commits once. What comes meanwhile is the next batch, so the number of
// commits follows the time that one takes, not the number of transactions. Within a batch each change, and each pack
// of decisions as a whole, succeeds or fails by itself. There are two lanes; what has a transaction, a row or a pack in
// common with a batch that is being written waits for that one. Changes of documents go the same way.
//
// # Invariants
//
//   - A completion function gets nil only after the COMMIT of its change was confirmed, by the server's answer or, if
//     that was lost, by the token that the write left in the node's row.
//   - The last statement of every write updates the row of this node with its epoch, if it is not fenced. No row, no
//     commit: once another node has declared this one dead, nothing of it is written any more. Every record has the
//     epoch of its last writer.
//   - Deadlocks (1213), lock waits (1205), duplicate keys (1062) and connections that are lost before COMMIT roll the
//     write back. It is tried again inside, and comes out as [orchestrator.ErrUnavailable] or [orchestrator.ErrBusy] at
//     worst, of which both mean that nothing was changed.
//   - An outbox entry is in the same transaction as the decision it tells of, and is removed by [Store.ClearOutbox]
//     alone. The entries of a pack share one row.
//   - Numbers of transactions and locks are counted with the write that changes them, in the node's row: they are exact
//     and reading them costs nothing.
//   - The only clock is the database's: [Store.Now] is this machine's monotonic clock plus the measured distance.
//
// # What bounds a partition
//
// A node that is stopped or cut off in the middle of a write holds row locks on the server. The server ends a
// connection from which nothing comes for half the lease, at most 5 s (wait_timeout, net_read_timeout and
// net_write_timeout are set for every session), so that they are gone before the node's lease is; a killed process
// loses them with its connections. Meanwhile others that need the same rows get 1205 after 2 s and try again. If the
// server's machine vanishes, a node gives up waiting for an answer after 10 s.
//
// # Locks of this package
//
// Store.members, then Store.mu; loads.mu, refusals.mu, health.mu and the interner's are leaves. No I/O under Store.mu.
//
// # Where to start reading
//
// unit.go, lane.go, batch.go and write.go for the path above, record.go, outbox.go and documents.go for what is in a
// row, member.go for leases and fencing, migrations/mysql for the tables.
package mysql
