package at

import "strings"

// Outside of a global transaction, a user may begin a local transaction with a text instead of sql.DB.BeginTx, choose
// another database, or switch autocommit off. A statement of a global transaction on that same sql.Conn would then end
// the user's transaction without a word, or look at the wrong tables. The connection remembers that such a text has run
// and refuses statements of global transactions until it goes back to the pool clean.

// changesSession tells whether a text may begin a transaction, switch autocommit, choose a database or change the SQL
// mode. It looks at the first word; with several statements in a text, at all of it. It is called for every statement
// without a global transaction, so it must cost nothing.
func changesSession(text string, several bool) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	if text == "" {
		return false
	}
	switch text[0] | 0x20 { // lower case of a letter
	case 'b', 'u':
		return firstWordIs(text, "begin") || firstWordIs(text, "use")
	case 's':
		if firstWordIs(text, "start") {
			return true
		}
		if firstWordIs(text, "set") && (containsFold(text, "autocommit") || containsFold(text, "sql_mode")) {
			return true
		}
	case '/', '-' | 0x20, '#' | 0x20, '(':
		return mentionsSession(text) // a comment first: rare, and looked at whole
	}
	return several && strings.IndexByte(text, ';') >= 0 && mentionsSession(text)
}

// mentionsSession is the careful answer: whether one of the words is anywhere in the text.
func mentionsSession(text string) bool {
	for _, word := range []string{"begin", "start", "autocommit", "sql_mode", "use"} {
		if containsFold(text, word) {
			return true
		}
	}
	return false
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

func containsFold(text, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		if text[i]|0x20 == word[0] && strings.EqualFold(text[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
