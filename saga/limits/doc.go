// Package limits has every limit of sagas, in Concord's language and in Seata's: how large a definition, its input and
// its runs may be. The rooms of saga, the API and the commands read them from here and have none of their own.
//
// # Invariants
//
//   - One constant, one limit. Its comment says what is counted, why the number is what it is, and where more is
//     refused with which error. What is exactly as large as the limit is accepted.
//   - What can be known from a definition or an input is refused when it is published or a run is started. What only
//     data tell, such as the items of a list or an answer, is a failure of the step.
//   - docs/SAGAS.md and docs/SAGAS-SEATA.md have a row for each constant; a test compares the numbers.
//   - Not here: what an exploration or a simulation is worth (saga/explore, saga/machine, saga/simulate have their own
//     budgets, and say when these were used up), caches, and what the API bounds for all of its operations, such as
//     the length of a reason (web).
//
// # Where to start reading
//
// limits.go, from the top: definitions, runs, expressions, Seata's state machines, tests of definitions.
package limits
