// Package statelang reads, checks and writes definitions in Seata's state-machine language, and says what they mean.
//
// Read makes a [Document] of either form, Check judges it with places and advice, Export gives it back byte for byte.
// The functions of the other files are the semantics for a planner: each is pure and answers one question of it.
// StatusOf, RetryDecision, CatchTarget and Choose: what follows from a call. CompensationList and CompensationStatus:
// what is undone and how that went. FinalStatus, EndStatuses and FailStatuses: how a machine ended. LoopWindow: which
// instances of a loop start. EvalInput and EvalOutput: what goes in and comes out.
//
// # Invariants
//
//   - Nothing here does I/O, reads a clock or panics; everything is bounded by saga/limits.
//   - The order of the document is kept wherever it matters: of states, of status rules, of keys in a text that is
//     written again.
//   - A definition has the verdict that Seata's parser and its three rules give it: [Report.Upstream].
//   - Where Java's behaviour is a defect, docs/decisions/0015-seata-saga-defects.md says what is done instead.
//
// # Where to start reading
//
// model.go for the nouns, reader.go for what a text becomes, check.go and rules.go for the findings, status.go and
// compensation.go for the meaning; testdata/runs has small stories, each with one rule of the language.
package statelang
