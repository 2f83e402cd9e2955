// Package definition is the language in which sagas are written: the model, the parser for YAML and JSON, the
// canonical encoding, and the published JSON Schema. It knows nothing of the server, so that clients can use it as
// well.
//
// # Invariants
//
//   - Parse never panics and never gives up at the first mistake: each finding has a line, a column, a rule, a sentence
//     and advice. What it returns beside findings of severity error must not be run.
//   - Two documents that mean the same have the same canonical encoding and the same digest, whatever their order of
//     keys, comments, and spelled-out defaults. Parse of the canonical encoding gives an equal definition.
//   - Expressions are text here: package expressions compiles them, package validate checks where they stand.
//   - All limits of the language and of what runs it are in saga/limits.
//
// # Where to start reading
//
// model.go is the language, parse.go and the files behind it (node.go, fields.go, value.go) read it, encode.go writes
// it, graph.go says what comes before what, walk.go lists the expressions and what they may see.
package definition
