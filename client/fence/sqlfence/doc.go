// Package sqlfence keeps fences in the database of the business, so that what is recorded and what the work writes are
// one local transaction.
//
// On MySQL and MariaDB the table is tcc_fence_log of Seata for Java, statuses included: services in Java and Go may
// share it. migrations/client/0002_tcc_fence_log.sql makes it, and [Dialect.Schema] has it for others: PostgreSQL and
// SQLite. The tests run on MariaDB; the statements of the other two follow the same rules on a database in memory, and
// were tried by hand on PostgreSQL 15 and SQLite 3.40.
//
// # Invariants
//
//   - The row is written, and thereby locked, before the work looks at anything. Whoever comes with the same key waits.
//   - A row that is missing is written before it is looked at, and not looked for with a lock first: two that do so
//     lock each other's gap, and one of them dies. Confirm alone looks first, and ends if there is none.
//   - After any error the local transaction is rolled back, whoever has begun it.
//   - Rows are deleted in slices, by age, and never while their transaction is under way.
//
// # Where to start reading
//
// [Store.Do], which is the fence; [Store.Run] adds the transaction around it.
package sqlfence
