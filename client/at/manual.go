package at

import "strings"

// Outside of a global transaction, a user may begin a local transaction with a text instead of sql.DB.BeginTx, choose
// another database, switch autocommit off, or have values shown in another zone or character set. A statement of a
// global transaction on that same sql.Conn would then end the user's transaction without a word, look at the wrong
// tables, or keep images that phase two reads as something else. The connection remembers that such a text has run
// and refuses statements of global transactions until it goes back to the pool clean.

// changesSession tells whether a text may begin a transaction, switch autocommit, choose a database or change how the
// session reads and shows. It looks at the first word; with several statements in a text, at all of it. It is called
// for every statement without a global transaction, so it must cost nothing.
func changesSession(text string, several bool) bool {
	text = firstStatement(text)
	if text == "" {
		return false
	}
	changes := false
	switch text[0] | 0x20 { // lower case of a letter
	case 'b':
		changes = firstWordIs(text, "begin")
	case 'l':
		changes = firstWordIs(text, "lock")
	case 's':
		changes = firstWordIs(text, "start") || firstWordIs(text, "set") && mentions(text, settings)
	case 'u':
		changes = firstWordIs(text, "use")
	case 'x':
		changes = firstWordIs(text, "xa")
	case '/':
		changes = mentionsSession(text) // code for some servers: rare, and looked at whole
	}
	return changes || several && strings.IndexByte(text, ';') >= 0 && mentionsSession(text)
}

// settings are words of SET that change what a transaction is, how statements are read, or how values are shown, so
// that phase two, on connections of its own, would see other rows.
const settings = "autocommit sql_mode time_zone names character charset collation"

// mentionsSession is the careful answer: whether one of the words is anywhere in the text.
func mentionsSession(text string) bool { return mentions(text, "begin start use lock xa "+settings) }

func mentions(text, words string) bool {
	for word := range strings.FieldsSeq(words) {
		if containsWord(text, word) {
			return true
		}
	}
	return false
}

// firstStatement cuts off what stands before the first word: spaces, parentheses and comments, but not those that some
// servers run.
func firstStatement(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n(")
		end := ""
		switch {
		case strings.HasPrefix(text, "/*") && !strings.HasPrefix(text, "/*!") && !strings.HasPrefix(text, "/*M!"):
			end = "*/"
		case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "#"):
			end = "\n"
		default:
			return text
		}
		_, rest, found := strings.Cut(text, end)
		if !found {
			return ""
		}
		text = rest
	}
}

func firstWordIs(text, word string) bool {
	if len(text) < len(word) || !strings.EqualFold(text[:len(word)], word) {
		return false
	}
	return len(text) == len(word) || !isWordByte(text[len(word)])
}

func isWordByte(b byte) bool {
	return b == '_' || b == '$' || b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' || b >= 0x80
}

// containsWord tells whether a text has a word in lower case, or a name that begins with it and an underscore.
func containsWord(text, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		if text[i]|0x20 != word[0] || i > 0 && isWordByte(text[i-1]) || !strings.EqualFold(text[i:i+len(word)], word) {
			continue
		}
		if end := i + len(word); end == len(text) || text[end] == '_' || !isWordByte(text[end]) {
			return true
		}
	}
	return false
}
