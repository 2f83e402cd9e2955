package txn

// traceBytes is the length of a traceparent of version 00: version, trace id, span id, flags.
const traceBytes = 2 + 1 + 32 + 1 + 16 + 1 + 2

// ValidTrace reports whether s is a traceparent as W3C Trace Context describes it: lower-case hexadecimal fields,
// neither id all zeros, and not of the version ff. A later version may have more fields.
func ValidTrace(s string) bool {
	if len(s) < traceBytes || s[2] != '-' || s[35] != '-' || s[52] != '-' || len(s) > 2*traceBytes {
		return false
	}
	if s[:2] == "ff" || len(s) > traceBytes && (s[:2] == "00" || s[traceBytes] != '-') {
		return false
	}
	zero := [2]bool{true, true}
	for i := range s {
		c := s[i]
		if i == 2 || i == 35 || i == 52 || i >= traceBytes && (c == '-' || c > ' ' && c < 0x7f && c != '"' && c != '\\') {
			continue
		}
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		if c != '0' {
			zero[0] = zero[0] && (i < 3 || i > 34)
			zero[1] = zero[1] && (i < 36 || i > 51)
		}
	}
	return !zero[0] && !zero[1]
}
