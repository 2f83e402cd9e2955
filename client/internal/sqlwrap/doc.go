// Package sqlwrap is what the drivers of client/at and client/xa have in common: they stand between database/sql and
// go-sql-driver/mysql, and must lose none of the optional interfaces on the way.
//
// database/sql asks a driver's values for some twenty optional interfaces, and behaves differently where one is
// missing: without driver.SessionResetter it never checks an idle connection, without driver.NamedValueChecker a
// uint64 is refused. Conn, Stmt and Rows name all that go-sql-driver has. A driver embeds them and overrides only those
// methods that it changes; what it does not name goes straight to the inner value.
//
// Invariants:
//
//   - A value that lacks one of the interfaces is refused when the connection is made, with its type in the error, and
//     not discovered later as a change of behaviour.
//   - Nothing here keeps state or starts a goroutine.
//
// Start reading at Connect.
package sqlwrap
