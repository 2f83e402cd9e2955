package xa

import "strings"

// harmless are the functions that a statement may call and still be known to change nothing. Any other one may be
// a function of the user's.
const harmless = " count sum min max avg coalesce ifnull nullif if in values exists concat lower upper length trim " +
	"abs round floor ceiling now curdate date cast convert and or not from where select as on over using database " +
	"version by distinct when then else "

// plain reports whether a statement certainly only reads, and takes no locks: a SELECT without locking clause, INTO,
// variables, or functions that may be the user's. It errs on the side of false.
func plain(sql string) bool {
	words := 0
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '\'' || c == '"' || c == '`':
			end := closing(sql, i)
			if end < 0 || c == '`' && called(sql[end:]) {
				return false
			}
			i = end
		case c == '#' || c == '/' || c == '-' && at(sql, i+1) == '-':
			return false // a comment may be one that the server executes: who comments takes the long way
		case c == '@' || c == ';' && strings.TrimSpace(sql[i+1:]) != "":
			return false
		case letter(c):
			end := i + 1
			for end < len(sql) && (letter(sql[end]) || sql[end] >= '0' && sql[end] <= '9') {
				end++
			}
			word := strings.ToLower(sql[i:end])
			words++
			if words == 1 && word != "select" {
				return false
			}
			if forbidden(word) || called(sql[end:]) && !strings.Contains(harmless, " "+word+" ") {
				return false
			}
			i = end
		case words == 0 && c > ' ':
			return false
		default:
			i++
		}
	}
	return words > 0
}

func forbidden(word string) bool {
	switch word {
	case "for", "lock", "into", "procedure":
		return true
	}
	return false
}

// called reports whether an opening parenthesis follows.
func called(rest string) bool {
	return strings.HasPrefix(strings.TrimLeft(rest, " \t\r\n"), "(")
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c >= 0x80
}

// at returns the byte at i, or 0.
func at(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return 0
}

// closing returns the index after the quote that closes the one at start, or -1.
func closing(s string, start int) int {
	for i := start + 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[start] != '`':
			return -1 // depends on the mode of the session
		case s[i] == s[start]:
			return i + 1 // a doubled quote begins the next text, which is as good
		}
	}
	return -1
}
