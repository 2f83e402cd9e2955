package at

import (
	"errors"
	"fmt"
)

// ErrSession is the error of a statement in a global transaction on a connection where a text (BEGIN, SET autocommit,
// USE, SET time_zone and the like) has changed the session before. Use sql.DB.BeginTx, one sql.DB for each database,
// and the DSN for settings.
var ErrSession = errors.New("at: the connection's session was changed by a text; " +
	"begin transactions with BeginTx, name the database and set variables in the DSN")

// ErrOpen is the error of BeginTx on a connection (sql.Conn) where a local transaction is open, if one of the two
// belongs to a global transaction: the database would commit the open one without a word, and without an undo log.
var ErrOpen = errors.New("at: a local transaction is open on the connection; end it before the next one begins")

// ErrBroken is the error of everything that follows in a local transaction in which something went wrong that leaves
// its state or its images incomplete. It wraps what went wrong first. Only rolling back is left.
var ErrBroken = errors.New("at: the local transaction can only be rolled back")

// ForeignError says that a statement's context belongs to another global transaction than the local transaction that
// it was sent to. The statement has not run.
type ForeignError struct {
	Statement string // xid of the statement's context
	Local     string // xid that the local transaction was begun with, "" if with none
}

// Error says what does not fit.
func (e *ForeignError) Error() string {
	if e.Local == "" {
		return fmt.Sprintf("at: a statement of global transaction %s in a local transaction that was begun outside "+
			"of it; pass its context to BeginTx", e.Statement)
	}
	return fmt.Sprintf("at: a statement of global transaction %s in a local transaction of %s", e.Statement, e.Local)
}

// TooManyRowsError says that a statement changes more rows than Options.RowsMax. Nothing of it stays.
type TooManyRowsError struct {
	Table string
	Max   int
}

// Error says how many rows are allowed.
func (e *TooManyRowsError) Error() string {
	return fmt.Sprintf("at: a statement changes more than %d rows of %s in a global transaction; "+
		"take slices, or raise Options.RowsMax", e.Max, e.Table)
}
