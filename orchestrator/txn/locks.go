package txn

import "strings"

// LockCount is the number of rows in a lock key, duplicates included.
func LockCount(lockKey string) int {
	n := 0
	EachLock(lockKey, func(string, string) bool { n++; return true })
	return n
}

// EachLock calls yield with table and primary key of every row in a Seata lock key, until yield returns false.
//
// The form is "table:pk,pk2;table2:pk_a_b": tables separated by semicolons, rows by commas, the columns of a composite
// key joined by underscores; the table ends at the first colon. Nothing is escaped, so a value that contains one of
// these is split as Seata's server splits it: too many rows may conflict, never too few. Empty rows are passed over. A
// part without a colon is one row of a table without a name. Strings are parts of lockKey.
// Seata 2.x AbstractLocker/LockManager.collectRowLocks.
func EachLock(lockKey string, yield func(table, pk string) bool) {
	for lockKey != "" {
		var group string
		group, lockKey, _ = strings.Cut(lockKey, ";")
		table, rows, found := strings.Cut(group, ":")
		if !found {
			table, rows = "", group
		}
		for rows != "" {
			var pk string
			pk, rows, _ = strings.Cut(rows, ",")
			if pk == "" {
				continue
			}
			if !yield(table, pk) {
				return
			}
		}
	}
}

// Row names one lockable row.
type Row struct{ Resource, Table, PK string }

// String returns "resource table:pk".
func (r Row) String() string { return r.Resource + " " + r.Table + ":" + r.PK }

// FoldTable returns the name under which a table's rows are compared: its lower case, so that clients that disagree
// about the case of a table (seata-go 2.1.0 registers ORDER_TBL and asks for order_tbl) still exclude each other.
func FoldTable(table string) string { return strings.ToLower(table) }
