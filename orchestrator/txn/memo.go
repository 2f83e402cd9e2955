package txn

// Memo is what a planner keeps of a run from one look to the next, to save time; see [Next]. It is in no record, and
// nothing depends on it. All states that follow from the one that got it share it, and so do states that never came to
// be: what is kept has to be true of each of them.
type Memo struct{ Kept any }

// Equal says that memos are no part of what states are compared by.
func (m Memo) Equal(Memo) bool { return true }

// String says the same of all memos, for the same reason.
func (m Memo) String() string { return "memo" }
