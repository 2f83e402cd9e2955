// Package at lets the transactions of a MySQL database be branches of global transactions in Seata's AT mode, through
// database/sql: OpenDB returns a *sql.DB, and what runs with a context that carries an xid is undone if the global
// transaction is rolled back. Java's and Go's services may share a database, its locks and its undo logs.
//
// It stands between database/sql and go-sql-driver/mysql. Without an xid in the context everything goes straight
// through. With one, each statement that changes rows is parsed, refused if it could not be undone, and run between two
// images of its rows. When the local transaction commits, it is registered as a branch, with locks on all changed rows,
// and its images are written into undo_log in the same local transaction. Rolling back puts the images back, if nobody
// else has changed the rows; committing deletes the undo log.
//
// Invariants:
//
//   - A statement whose change cannot be undone for certain is refused before anything of its text runs.
//   - Undo log and change are in one local transaction. Whatever fails or is cancelled where, either both are there or
//     neither, and phase two does the right thing in both cases.
//   - A local transaction belongs to the global transaction of the context that BeginTx got, for its whole life. A
//     statement whose context carries another xid is refused.
//   - After an error that may have ended the local transaction, or has left a change without its image, the transaction
//     can only be rolled back.
//   - A connection whose state is unknown never goes back to the pool.
//   - COMMIT is sent once. If its answer is lost, the undo log tells what became of it.
//
// Start reading at OpenDB in connector.go, then conn.go, run.go and local.go. What SQL is supported says
// client/at/statement; the form of undo logs is client/at/undo.
package at
