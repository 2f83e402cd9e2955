// Package tm begins and ends global transactions: it is the transaction manager of Seata, for Go.
//
//	tx := tm.New(c) // c is a *client.Client
//	err := tx.Run(ctx, tm.Options{Name: "place order"}, func(ctx context.Context) error {
//		return order(ctx) // what is done with this ctx takes part
//	})
//
// Start reading at [Manager.Run], then [Transaction], which is what Run is made of, then the table of statuses in
// outcome.go.
//
// # What holds
//
//   - Who begins a transaction is its launcher, and is the only one who ends it. A function that finds a transaction in
//     its context takes part: it runs, and its error is returned as it is.
//   - The end of a transaction has three outcomes, never a guess: [Committed], [RolledBack], or [Unknown] with an
//     [UnknownError] that says what to do. nil means committed. [OutcomeOf] tells them apart. Why it is so is in
//     docs/decisions/0019-an-end-has-three-outcomes.md.
//   - An error of the work, a panic, a context that ended, and a timeout by the local clock all roll back. A commit is
//     asked for only if none of them has happened.
//   - A decision once asked for is finished: the context's end does not abandon it, [EndWithin] bounds it. Requests are
//     repeated only while it is not known what the coordinator has done, which is safe because they are idempotent.
//   - Nothing is kept between two calls: no goroutine, no registry, no global variable.
package tm
