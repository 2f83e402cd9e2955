// Package sqlgen makes up tables, rows and statements for tests of the AT driver: whatever the driver should be able to
// undo, in as many forms as possible, with values from small sets so that rows are met, collide and are equal.
//
// # Invariants
//
//   - All is decided by the Choose that the caller gives: the same choices make the same text. With a Choose that draws
//     from rapid, a failing case shrinks.
//   - Statements are ones that MariaDB and MySQL accept, though they may fail on the data: a key may be there already.
//   - Few statements are refused by client/at/statement: some of INSERT ... ON DUPLICATE KEY UPDATE, for their values.
//
// # Where to start reading
//
// Generator in generator.go, then its Table in table.go and Statement in statements.go.
package sqlgen
