package xa

import (
	"fmt"
	"strconv"
	"strings"
)

// checkVersion refuses servers that roll a prepared branch back when its connection ends: MySQL before 5.7.7 (its
// release notes, bug 12161) and MariaDB before 10.5.2 (MDEV-7974).
func checkVersion(version string) error {
	text, least := version, [3]int{5, 7, 7}
	if strings.Contains(strings.ToLower(version), "mariadb") {
		text, least = strings.TrimPrefix(version, "5.5.5-"), [3]int{10, 5, 2} // a prefix that MariaDB once told clients
	}
	var got [3]int
	fields := strings.SplitN(text, ".", 3)
	for i := range min(len(fields), 3) {
		digits := fields[i]
		if n := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); n >= 0 {
			digits = digits[:n]
		}
		got[i], _ = strconv.Atoi(digits)
	}
	for i := range got {
		if got[i] != least[i] {
			if got[i] > least[i] {
				return nil
			}
			return fmt.Errorf("server %q loses prepared XA branches when a connection ends; it takes %d.%d.%d or later",
				version, least[0], least[1], least[2])
		}
	}
	return nil
}
