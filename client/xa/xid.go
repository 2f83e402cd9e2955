package xa

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
)

// format is the format id of Seata's branches. Seata XAXid.java.
const format = 9752

// partBytesMax is what MySQL allows for each of the two parts of an identity.
const partBytesMax = 64

// key identifies a branch.
type key struct {
	xid    string // of the global transaction
	branch int64
}

// check reports whether MySQL can have such a branch.
func (k key) check() error {
	if len(k.xid) > partBytesMax {
		return fmt.Errorf("xid %s has %d bytes, MySQL allows %d for XA: give the coordinator a shorter address",
			k.xid, len(k.xid), partBytesMax)
	}
	return nil
}

// literal is how a statement names the branch. Seata XAXidBuilder.java: the global part is the xid, the branch part is
// "-" and the id of the branch. Hexadecimal literals need no quoting.
func (k key) literal() string {
	return fmt.Sprintf("X'%x',X'%x',%d", k.xid, "-"+strconv.FormatInt(k.branch, 10), format)
}

// parseKey reads a row of XA RECOVER; ok is false if the branch is none of Seata's.
func parseKey(formatID, globalBytes, branchBytes int64, data string) (k key, ok bool) {
	if formatID != format || globalBytes < 1 || branchBytes < 2 || globalBytes+branchBytes != int64(len(data)) {
		return key{}, false
	}
	global, branch := data[:globalBytes], data[globalBytes:]
	digits, ok := strings.CutPrefix(branch, "-")
	if !ok || digits[0] < '0' || digits[0] > '9' {
		return key{}, false
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || id <= 0 || !seataXID(global) {
		return key{}, false
	}
	return key{xid: global, branch: id}, true
}

// seataXID reports whether text has the form host:port:number.
func seataXID(text string) bool {
	at := strings.LastIndexByte(text, ':')
	if at < 1 || strings.IndexByte(text[:at], ':') < 1 {
		return false
	}
	_, err := strconv.ParseUint(text[at+1:], 10, 64)
	return err == nil
}

// recoverRow reads the four columns of XA RECOVER, whose types depend on the protocol.
func recoverRow(row []driver.Value) (k key, ok bool) {
	if len(row) < 4 {
		return key{}, false
	}
	var numbers [3]int64
	for i := range numbers {
		switch v := row[i].(type) {
		case int64:
			numbers[i] = v
		case []byte:
			n, err := strconv.ParseInt(string(v), 10, 64)
			if err != nil {
				return key{}, false
			}
			numbers[i] = n
		default:
			return key{}, false
		}
	}
	switch data := row[3].(type) {
	case []byte:
		return parseKey(numbers[0], numbers[1], numbers[2], string(data))
	case string:
		return parseKey(numbers[0], numbers[1], numbers[2], data)
	}
	return key{}, false
}
