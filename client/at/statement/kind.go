package statement

// Kind says what the driver has to do about a statement in a global transaction.
type Kind byte

// The kinds.
const (
	// Other changes no rows and asks for no row locks: it passes through.
	Other Kind = iota + 1
	// Refused can't run in a global transaction; Refuse says why.
	Refused
	Insert
	// InsertOnDuplicate is an INSERT that may meet rows: with ON DUPLICATE KEY UPDATE, or INSERT IGNORE.
	InsertOnDuplicate
	Update
	UpdateJoin
	Delete
	SelectForUpdate
	// Savepoint, RollbackTo and Release concern the savepoint that Statement.Name tells.
	Savepoint
	RollbackTo
	Release
)

// String returns the kind's name for logs and errors.
func (k Kind) String() string {
	switch k {
	case Other:
		return "other"
	case Refused:
		return "refused"
	case Insert:
		return "insert"
	case InsertOnDuplicate:
		return "insert on duplicate key update"
	case Update:
		return "update"
	case UpdateJoin:
		return "update join"
	case Delete:
		return "delete"
	case SelectForUpdate:
		return "select for update"
	case Savepoint:
		return "savepoint"
	case RollbackTo:
		return "rollback to savepoint"
	case Release:
		return "release savepoint"
	}
	return "invalid"
}

// Changes tells whether a statement of this kind changes rows.
func (k Kind) Changes() bool {
	switch k {
	case Insert, InsertOnDuplicate, Update, UpdateJoin, Delete:
		return true
	}
	return false
}
