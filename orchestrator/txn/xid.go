package txn

import (
	"strconv"
	"strings"
)

// XID names a global transaction. Its text is "host:port:id": Seata clients parse it and route by host and port, which
// are the advertised address of the node that began the transaction. Only ID identifies; any node answers for any
// prefix.
type XID struct {
	// Prefix is "host:port". It is shared text: all transactions of a node carry the same string.
	Prefix string
	// ID is positive and unique for the life of the store.
	ID int64
}

// String returns the text form, "host:port:id".
func (x XID) String() string {
	return string(x.Append(make([]byte, 0, len(x.Prefix)+20)))
}

// Append appends the text form to dst.
func (x XID) Append(dst []byte) []byte {
	dst = append(dst, x.Prefix...)
	dst = append(dst, ':')
	return strconv.AppendInt(dst, x.ID, 10)
}

// ParseXID reads the text form. The id is what follows the last colon, so IPv6 hosts may keep theirs. The prefix of
// the result is a part of s. ok is false if there is no positive id.
func ParseXID(s string) (x XID, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return XID{}, false
	}
	digits := s[i+1:]
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return XID{}, false
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || id <= 0 {
		return XID{}, false
	}
	return XID{Prefix: s[:i], ID: id}, true
}
