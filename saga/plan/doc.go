// Package plan compiles definitions of sagas to planners: what a saga does next is a pure function of its definition,
// its input and the results so far, all of which are in its record. It is the same on every node and after every crash.
//
// # Invariants
//
//   - A plan keeps nothing between two calls. Everything is derived from the branches of the transaction, by their
//     names.
//   - The name of a branch is the step's id; in a loop with the item's index, "pay[3]"; in a repeated step with the
//     turn from the second on, "poll#2"; in a sub-saga behind the step that it is: "trip/hotel".
//   - An expression that fails is a failure of its step or of the saga. It is never a panic.
//   - What a step sees, are results of steps before it. Those do not change any more, so whatever is computed again
//     after a crash gives the same.
//
// # Where to start reading
//
// compile.go makes a [Program]; next.go walks it; judge.go reads answers; undo.go makes compensations.
package plan
