// Package validate is the lint of sagas: what can be said of a definition without running it. It also validates the
// input of a saga and the data of a signal against their schemas.
//
// # Invariants
//
//   - Every finding has the id of a rule of rules.go, a place, what is wrong and what to do. A test compares the
//     table with docs/SAGAS.md.
//   - A finding of severity error means that some run can end neither done nor compensated, or fails for sure where it
//     must not. A warning is likely not what was meant. Definitions that are sound have neither (testdata/sound).
//   - Check takes time in proportion to the definition, at most to the square of the number of steps.
//   - No network: schemas refer to nothing outside of themselves.
//
// # Where to start reading
//
// check.go is the entrance, graph.go what follows from the edges; structure.go, pivot.go, timing.go, subsaga.go,
// mistakes.go and formula.go (expressions) are a group of rules each; schema.go is about JSON Schema.
package validate
