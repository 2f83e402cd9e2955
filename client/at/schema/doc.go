// Package schema knows what MySQL says about tables: their columns with the types that Java's driver reports, primary
// and unique keys, and what makes a table change by itself.
//
// # Invariants
//
//   - A Table is never changed after it was loaded; everybody who asked shares it.
//   - One table is loaded in one round trip, by one goroutine at a time; the foreign keys of all tables in another.
//   - What the cache returns is at most its age old (60 s unless told otherwise); who meets a column that the table
//     should not have calls Forget and asks again.
//
// # Where to start reading
//
// Table in table.go, then Load in load.go, then Cache in cache.go.
package schema
