// Package statement reads SQL for the AT driver: what a statement changes, which queries read the rows before and after
// it, which lock keys these rows have, and which statements can't be undone and are therefore refused. It is pure: text
// and metadata in, queries and verdicts out; it opens nothing and sends nothing.
//
// # Invariants
//
//   - What is refused is refused before anything runs: Refuse and Before look at text, metadata and arguments only.
//   - The query of the before image finds every row that the statement then changes. Where the text alone can't promise
//     that (another transaction slips in between under READ COMMITTED), Check finds it by the counts, and the caller
//     rolls the local transaction back.
//   - Conditions reach the image query as the caller wrote them, cut out of the text, never printed from a syntax tree.
//     So the database reads both alike, whatever its mode and dialect.
//   - A Statement is never changed after Parse; any number of goroutines share it.
//   - Two rows that are the same row to the database have at least one lock key in common.
//
// # Order of calls
//
//	Cache.Parse -> for each statement: load Tables() -> Refuse -> Before -> the statement itself -> After -> Check
//	            -> Undo and LockKey
//
// # Where to start reading
//
// Statement in statement.go, then Cache.Parse in cache.go and the plan of each form: update.go, insert.go, choose.go.
// scan.go cuts text; reasons.go is the table of refusals; docs/AT-SQL.md is the same for users.
package statement
