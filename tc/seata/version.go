package seata

import (
	"fmt"
	"strconv"
	"strings"
)

// ClientVersion is the version of a Seata client, comparable with < and ==. The zero value is "unknown" and is
// treated as older than every real version: such a peer gets only what all peers understand.
type ClientVersion int64

const (
	versionPartsMax   = 4
	versionPartWeight = 100
	versionPartMax    = 9999
)

// ParseClientVersion reads "1.8.0", "2.1.0-SNAPSHOT", "1.5" and the like, as Seata's Version.java: convertVersion does:
// at most four parts, part i weighs 100^(4-i), and of a part that is not a number the digits before "-" count. A blank
// text, too many parts or a part above 9999 are errors; treat such a client as unknown.
func ParseClientVersion(text string) (ClientVersion, error) {
	if strings.TrimSpace(text) == "" {
		return 0, fmt.Errorf("parse client version: %w: blank", ErrClientVersion)
	}
	if strings.Count(text, ".") >= versionPartsMax {
		return 0, fmt.Errorf("parse client version %.32q: %w: more than 4 parts", text, ErrClientVersion)
	}
	var sum int64
	rest := text
	for weight := int64(versionPartWeight * versionPartWeight * versionPartWeight); ; weight /= versionPartWeight {
		part, tail, more := strings.Cut(rest, ".")
		digits, _, _ := strings.Cut(part, "-")
		n, ok := versionPart(digits)
		if !ok {
			return 0, fmt.Errorf("parse client version %.32q: %w: part too large", text, ErrClientVersion)
		}
		sum += n * weight
		if !more {
			return ClientVersion(sum), nil
		}
		rest = tail
	}
}

// versionPart returns the number that digits spells, 0 if it is none, and false if it is too large.
func versionPart(digits string) (int64, bool) {
	var n int64
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, true
		}
		n = n*10 + int64(digits[i]-'0')
		if n > versionPartMax {
			return 0, false
		}
	}
	return n, true
}

// MakeClientVersion returns the version major.minor.patch.
func MakeClientVersion(major, minor, patch int) ClientVersion {
	return ClientVersion(((int64(major)*versionPartWeight+int64(minor))*versionPartWeight + int64(patch)) *
		versionPartWeight)
}

// Known reports whether the version was told by the peer.
func (v ClientVersion) Known() bool { return v > 0 }

// AtLeast reports whether v is known and not older than major.minor.
func (v ClientVersion) AtLeast(major, minor int) bool {
	return v.Known() && v >= MakeClientVersion(major, minor, 0)
}

// String returns major.minor.patch, or "unknown".
func (v ClientVersion) String() string {
	if !v.Known() {
		return "unknown"
	}
	n := int64(v) / versionPartWeight
	return strconv.FormatInt(n/(versionPartWeight*versionPartWeight), 10) + "." +
		strconv.FormatInt(n/versionPartWeight%versionPartWeight, 10) + "." +
		strconv.FormatInt(n%versionPartWeight, 10)
}
