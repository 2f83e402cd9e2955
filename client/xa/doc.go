// Package xa lets local transactions of MySQL and MariaDB take part in a global transaction by XA: the database itself
// prepares, keeps its locks, and commits or rolls back when the coordinator says so.
//
//	db, err := xa.OpenDB(ctx, c, "shop:secret@tcp(db:3306)/orders", xa.Options{})
//	...
//	err = manager.Run(ctx, tm.Options{Name: "order"}, func(ctx context.Context) error {
//		tx, err := db.BeginTx(ctx, nil) // XA START
//		...
//		return tx.Commit() // XA END, XA PREPARE: durable and invisible until the global transaction is committed
//	})
//
// What holds:
//
//   - A branch is registered before XA START, and its identity in the database is that of Seata's Java client, so that
//     Java and Go finish each other's branches.
//   - Commit returns nil only when the database has answered that the branch is prepared. If the answer was lost, the
//     error is [ErrUnprepared], and the global transaction has to be rolled back, which is right in either case.
//   - A branch that the coordinator has rolled back is never prepared afterwards by this process.
//   - Without a global transaction in the context the driver of go-sql-driver/mysql works as if it were alone. A
//     transaction that is begun as read-only takes no part, since it has nothing to prepare.
//   - Branches that were prepared and forgotten are finished as their transaction was, see [Options].RecoverEvery.
//
// XA holds the rows of a branch locked in the database until the second phase: two branches of one global transaction
// in one database cannot change the same row, which would wait for itself. It needs MySQL 5.7.7 or MariaDB 10.5.2;
// earlier ones forget prepared branches when their connection ends. Galera clusters do not have XA.
//
// Start reading with connector.go, then tx.go for the first phase and resource.go for the second.
package xa
