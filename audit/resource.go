package audit

import "strings"

// matches reports whether a branch's resource belongs to a database of the participants' list: it is its resource, or
// begins or ends with it, as JDBC URLs do with the server's address and the database's name.
func matches(resource, wanted string) bool {
	if wanted == "" {
		return false
	}
	return strings.HasSuffix(resource, wanted) || strings.HasPrefix(resource, wanted)
}
