package statement

import (
	"errors"
	"fmt"
)

// ErrStale says that a statement names a column that the table's metadata lacks: the table was altered, or the
// statement is wrong. Who meets it loads the metadata again and asks once more.
var ErrStale = errors.New("the statement names a column that the table's metadata lacks")

// Reason says why a statement can't run in a global transaction.
type Reason byte

// The reasons. Each has a row in reasons and a case in testdata.
const (
	ReasonSyntax Reason = iota + 1
	ReasonComment
	ReasonTransaction
	ReasonDDL
	ReasonImplicitCommit
	ReasonSession
	ReasonDatabase
	ReasonProcedure
	ReasonLoad
	ReasonServerPrepared
	ReasonXA
	ReasonUnknown
	ReasonReplace
	ReasonInsertSelect
	ReasonWith
	ReasonSelfJoin
	ReasonSubquery
	ReasonNestedLock
	ReasonSkipLocked
	ReasonLimit
	ReasonVolatile
	ReasonFunction
	ReasonPreviousStatement
	ReasonVariable
	ReasonNoPrimaryKey
	ReasonView
	ReasonEngine
	ReasonTrigger
	ReasonCascade
	ReasonKeyChanged
	ReasonKeyType
	ReasonKeyUnknown
	ReasonKeyMixed
	ReasonColumnCount
	ReasonUniqueChanged
	ReasonUniqueUnknown
	ReasonUniquePartial
	ReasonPositionalArguments
	ReasonSeveral
)

// explanation is what people are told.
type explanation struct{ name, why, advice string }

// reasons is the table of all refusals.
var reasons = map[Reason]explanation{
	ReasonSyntax: {"syntax", "it can't be parsed, so nobody knows what it changes",
		"write it in MySQL's standard form, or run it outside of the global transaction"},
	ReasonComment: {"comment", "it has a comment with code that only some servers run",
		"write the code without the comment"},
	ReasonTransaction: {"transaction", "it begins or ends the local transaction behind the driver's back",
		"use BeginTx, Commit and Rollback of database/sql"},
	ReasonDDL: {"ddl", "it changes the schema, which commits at once and can't be undone",
		"run it outside of the global transaction"},
	ReasonImplicitCommit: {"implicit-commit", "the database commits the local transaction because of it",
		"run it outside of the global transaction"},
	ReasonSession: {"session", "it changes how the session reads SQL or when it commits",
		"set it in the DSN"},
	ReasonDatabase: {"database", "it switches to another database, but the branch belongs to the one of the DSN",
		"open a second sql.DB for the other database"},
	ReasonProcedure: {"procedure", "what a stored procedure changes is not known", "send its statements one by one"},
	ReasonLoad:      {"load", "the rows it inserts are not known", "insert the rows with INSERT ... VALUES"},
	ReasonServerPrepared: {"server-prepared", "what it runs is in another statement",
		"use Prepare of database/sql"},
	ReasonXA: {"xa", "a branch in AT mode is no XA transaction", "use client/xa"},
	ReasonUnknown: {"unknown", "it is none of the statements that are known to be safe",
		"run it outside of the global transaction"},
	ReasonReplace: {"replace", "REPLACE deletes rows that other keys point to",
		"use INSERT ... ON DUPLICATE KEY UPDATE"},
	ReasonInsertSelect: {"insert-select", "the keys of the rows it inserts are not known",
		"select the rows first and insert them with VALUES"},
	ReasonWith:     {"with", "rows are chosen by a common table expression", "use a sub-query in WHERE"},
	ReasonSelfJoin: {"self-join", "it changes a table that is in the join twice", "use a sub-query in WHERE"},
	ReasonSubquery: {"sub-query", "a sub-query of this form may find other rows when it is read for the image",
		"use a plain SELECT without LIMIT, UNION or WITH, or read the values first"},
	ReasonNestedLock: {"nested-lock", "FOR UPDATE in a sub-query or a UNION locks rows that the result does not show",
		"lock the rows with a plain SELECT ... FOR UPDATE"},
	ReasonSkipLocked: {"skip-locked", "SKIP LOCKED may find other rows after their keys have been read",
		"use NOWAIT, or wait"},
	ReasonLimit: {"limit", "LIMIT picks rows that no complete order decides",
		"order by the whole primary key, or name it in WHERE"},
	ReasonVolatile: {"volatile", "rows are chosen by a function that gives another value each time",
		"compute the value first and pass it as an argument"},
	ReasonFunction: {"function", "it calls a function that may write, or whose value may differ each time",
		"compute the value first and pass it as an argument"},
	ReasonPreviousStatement: {"previous-statement", "it asks about the previous statement, which would be the driver's",
		"use the sql.Result of that statement"},
	ReasonVariable: {"variable", "rows are chosen by a variable that the statement sets", "pass the value as an argument"},
	ReasonNoPrimaryKey: {"no-primary-key", "the table has no primary key, so its rows can't be found again",
		"give the table a primary key"},
	ReasonView:   {"view", "it changes a view, whose rows belong to other tables", "change the table below it"},
	ReasonEngine: {"engine", "the table's storage engine has no transactions", "use InnoDB"},
	ReasonTrigger: {"trigger", "a trigger changes what the undo log does not see",
		"drop the trigger, or set Options.AllowTriggers if what it writes may stay"},
	ReasonCascade: {"cascade", "a foreign key makes the database change other rows, which the undo log does not see",
		"change the other rows by statements of their own first"},
	ReasonKeyChanged: {"key-changed", "it changes the primary key, by which the row is found again",
		"insert a new row and delete the old one"},
	ReasonKeyType: {"key-type", "values of this type can't be compared exactly, so the row is not found again for sure",
		"use an integer, string, decimal or time as primary key"},
	ReasonKeyUnknown: {"key-unknown", "the primary key of an inserted row is only known to the database",
		"give the key as a value, or use AUTO_INCREMENT"},
	ReasonKeyMixed: {"key-mixed", "some rows have a key and several others get theirs from AUTO_INCREMENT",
		"insert rows with and without keys by separate statements"},
	ReasonColumnCount: {"column-count", "it names no columns, and has not one value for each",
		"name the columns"},
	ReasonUniqueChanged: {"unique-changed", "ON DUPLICATE KEY UPDATE changes a unique key, by which its rows are found",
		"update the row by a statement of its own"},
	ReasonUniqueUnknown: {"unique-unknown",
		"which row it collides with is not known, as a unique key's value is computed, left out or would be converted",
		"give each unique key a value of the column's own type"},
	ReasonUniquePartial: {"unique-partial", "the table has a unique key over parts of columns or expressions",
		"select the row FOR UPDATE, then insert or update it"},
	ReasonPositionalArguments: {"arguments", "its arguments do not fit the question marks",
		"pass one positional argument for each question mark"},
	ReasonSeveral: {"several",
		"rows are asked of a text of several statements, one of which changes or locks something and so runs by itself",
		"use Exec, or one Query for each statement"},
}

// String returns the reason's name, which does not change between versions.
func (r Reason) String() string {
	if e, ok := reasons[r]; ok {
		return e.name
	}
	return "invalid"
}

// RefusedError says that a statement can't run in a global transaction, and that nothing of it has run.
type RefusedError struct {
	// Statement is the text, shortened. It has no arguments, but literals.
	Statement string
	Reason    Reason
	// Detail names the part of the statement or the table, if that helps.
	Detail string
	// Advice says what to do instead.
	Advice string
}

// Error returns one sentence for people.
func (e *RefusedError) Error() string {
	detail := ""
	if e.Detail != "" {
		detail = " (" + e.Detail + ")"
	}
	return fmt.Sprintf("refused in a global transaction: %s%s; %s: %.200q", reasons[e.Reason].why, detail, e.Advice,
		e.Statement)
}

// refuse makes the error of a reason.
func refuse(text string, r Reason, detail string) *RefusedError {
	const textBytesMax = 1024
	if len(text) > textBytesMax {
		text = text[:textBytesMax]
	}
	return &RefusedError{Statement: text, Reason: r, Detail: detail, Advice: reasons[r].advice}
}
