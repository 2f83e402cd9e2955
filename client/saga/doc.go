// Package saga writes, publishes and runs sagas: steps that belong together, of which those that were done are undone,
// in reverse order, if one cannot be done. docs/SAGAS.md is about what they are.
//
//	order, err := saga.Define("order").
//		Step(saga.Do("reserve", saga.POST("https://stock.example/reservations", saga.Map{"order": saga.E("input.order")})).
//			Compensate(saga.DELETE("https://stock.example/reservations/${input.order}"))).
//		Step(saga.Do("pay", saga.Task("charge", saga.E("input.total"))).Pivot()).
//		Build()
//	_, err = client.Publish(ctx, order, "asks for money last")
//	run, err := saga.Of[Order, Receipt](client, "order").Start(ctx, "order-7", Order{...})
//	receipt, err := run.Await(ctx)
//
// Steps that are tasks are done by package worker.
//
// # Invariants
//
//   - What is built means what the same text in YAML means: it is read by the parser that the server uses, and a text
//     in Go is a text in the definition, with expressions in ${ }. [Text] has none.
//   - Publishing what is published already, and starting with a key that was started with, change nothing: both may be
//     repeated, also after a crash.
//   - Awaiting has three answers: nil, the saga is done; [*CompensatedError], it is undone; [*UnknownError], neither is
//     true yet, because time is up or a person is needed. Starting may fail beside that: [*NotStartedError].
//     [OutcomeOf] has them in one word.
//   - All methods of Client may be called concurrently. Builders may not.
//
// # Where to start reading
//
// define.go and step.go build definitions, client.go publishes and starts them, run.go awaits and steers what runs,
// typed.go gives sagas types of their own.
package saga
