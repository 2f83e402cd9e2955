// Package migrations holds the SQL files that make and change Concord's tables, embedded in the binary, and those of
// the tables that services have in databases of their own.
//
// # Invariants
//
//   - Files are numbered and only go forward. A file that a release contained is never edited: RELEASED has its sum,
//     and the style test compares.
//   - A file may be run twice: statements say IF NOT EXISTS or IGNORE, because MySQL commits each of them by itself.
//   - Only SQL that MySQL 8, MariaDB 10.6 and TiDB 6.5 understand is used; a test of store/mysql parses all of it.
//
// # Where to start reading
//
// mysql/0001_cluster.sql: the tables of store/mysql and what each column means. client/ has what services need.
package migrations
