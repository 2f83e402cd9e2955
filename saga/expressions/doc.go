// Package expressions compiles and evaluates the expressions of sagas: expr-lang, made safe to run for anybody.
//
// # Invariants
//
//   - An evaluation depends on its variables alone: no clock, no randomness, no functions of the host, maps in the
//     order of their keys. The same variables give the same result on every node.
//   - It ends: expressions have no loops but over lists, and what those and functions over long texts cost is counted
//     against a budget (ExpressionStepsMax, ExpressionBytesBudget of package definition). Beyond it, it fails.
//   - It never panics; whatever goes wrong is an *Error.
//   - Results are JSON: nil, bool, int, float64, string, []any, map[string]any, bounded in depth and size. Nobody must
//     change the variables while they are used.
//
// # Where to start reading
//
// compile.go is the way from text to program, guard.go what is refused and what is counted, functions.go the functions
// that are replaced by bounded ones, mapping.go the mappings of definitions, types.go what is known before it runs.
package expressions
