// Package tcc makes a Go service a participant that tries, confirms and cancels.
//
// [Bind] takes three functions with a parameter of a type of the service's own. [Service.Try] registers a branch of the
// global transaction of its context and runs the first function. When the transaction is decided the coordinator has
// one of the others run, in this process or in another one of the same application, with the same parameter, which
// travels as JSON in the branch's application data.
//
//	stock, err := tcc.Bind(ctx, c, tcc.Action[Order]{Name: "stock", Try: reserve, Confirm: take, Cancel: free},
//		tcc.WithFence(store))
//	...
//	err = stock.Try(ctx, Order{SKU: 7, Count: 2})
//
// # What the functions have to stand
//
// Phase two is asked for again when an answer was lost, comes without a try that has had an effect, and may come before
// it. With [WithFence] each function runs at most once, in a local transaction together with its record, and these are
// nobody's concern any more; that is how it should be used. Without, the functions must see to it themselves.
//
// # Invariants
//
//   - Try runs only when the coordinator has the branch: what has had an effect is confirmed or cancelled.
//   - A try that fails leaves its branch, which is cancelled when the transaction rolls back.
//   - What a function has set in the [Context] during Try is at the coordinator before Try has returned nil and, with a
//     fence, before its local transaction commits.
//   - The names in the application data are those of Seata for Java, so that its tools and people can read it, and a
//     transaction manager in Java can drive services in Go.
//
// # Where to start reading
//
// [Action] and [Bind], then phase two in resource.go.
package tcc
