package seata

import "strconv"

// Entries of the head map by which a client and a Concord coordinator agree on the id of a branch before it is
// registered, so that the client can write what needs the id, its undo log, while the registration is under way. Seata
// knows neither and ignores entries that it does not know. Both hold a decimal number.
const (
	// HeadBranch is in a BranchRegisterRequest of a client that takes ids ahead: the id that the branch shall have, which
	// came in a HeadNextBranch on the same connection, or "0". Who answers is free to choose another one.
	HeadBranch = "concord-branch"
	// HeadNextBranch is in the answer to such a request, also to a refusal: an id that no other branch has or gets, for
	// one later registration on this connection.
	HeadNextBranch = "concord-next-branch"
)

// AheadMax is how many ids that were given ahead on a connection, and not used, either side remembers.
const AheadMax = 1024

// HeadID returns the entry of a head map that holds id.
func HeadID(key string, id int64) HeadEntry {
	return HeadEntry{Key: key, Value: strconv.FormatInt(id, 10)}
}

// FindHeadID returns the id of an entry, and whether there is one that is a number and not negative.
func FindHeadID(head []HeadEntry, key string) (id int64, ok bool) {
	for _, e := range head {
		if e.Key == key && !e.Null {
			id, err := strconv.ParseInt(e.Value, 10, 64)
			return id, err == nil && id >= 0
		}
	}
	return 0, false
}
