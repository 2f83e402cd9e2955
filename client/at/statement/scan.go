package statement

import "strings"

// tokenKind says what a token is, as far as cutting clauses out of a text needs it.
type tokenKind byte

const (
	tokenWord     tokenKind = iota + 1 // a keyword, a name or a number
	tokenName                          // a quoted name
	tokenText                          // a string
	tokenParam                         // ?
	tokenVariable                      // @x, @@x
	tokenSign                          // one byte of anything else
)

// token is a part of a text. Depth counts the parentheses around it; a parenthesis has the depth of its outside.
type token struct {
	kind       tokenKind
	start, end int
	depth      int
	// free is true for a word that follows no dot, so that it may be a keyword.
	free bool
	// before is how many parameters there are before it.
	before int
}

// dialect says how the session reads quotes.
type dialect struct{ ansiQuotes, noBackslash bool }

// scanned is a text and its tokens, comments left out.
type scanned struct {
	text   string
	tokens []token
	// executable is true if a comment has code in it that some servers run.
	executable bool
	found      int // parameters so far
	// broken is true for a quote, comment or parenthesis without end.
	broken bool
}

// scan cuts a text into tokens. It agrees with MySQL's lexer about where strings, quoted names and comments end.
func scan(text string, d dialect) scanned {
	s := scanned{text: text}
	depth := 0
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c >= '\t' && c <= '\r':
			i++
		case c < ' ':
			s.broken = true // servers and parsers differ about it
			i++
		case c == '#' || c == '-' && dashes(text[i:]):
			i = lineEnd(text, i)
		case c == '/' && strings.HasPrefix(text[i:], "/*"):
			i = s.comment(i)
		case c == '\'' || c == '"' || c == '`':
			kind, escapes := tokenText, !d.noBackslash
			if c == '`' || c == '"' && d.ansiQuotes {
				kind, escapes = tokenName, false
			}
			i = s.add(kind, i, s.quoteEnd(i, escapes), depth)
		case c == '?':
			i = s.add(tokenParam, i, i+1, depth)
		case c == '@':
			i = s.add(tokenVariable, i, s.variableEnd(i), depth)
		case wordByte(c):
			end := i + 1
			for end < len(text) && wordByte(text[end]) {
				end++
			}
			i = s.add(tokenWord, i, end, depth)
		default:
			at := depth
			if c == '(' {
				depth++
			} else if c == ')' {
				depth--
				at = depth
				s.broken = s.broken || depth < 0
			}
			i = s.add(tokenSign, i, i+1, at)
		}
	}
	s.broken = s.broken || depth != 0
	return s
}

// add appends a token and returns its end.
func (s *scanned) add(kind tokenKind, start, end, depth int) int {
	free := kind == tokenWord
	if last := len(s.tokens) - 1; free && last >= 0 && s.is(last, ".") && s.tokens[last].end == start {
		free = false
	}
	s.tokens = append(s.tokens, token{kind: kind, start: start, end: end, depth: depth, free: free, before: s.found})
	if kind == tokenParam {
		s.found++
	}
	return end
}

// dashes tells whether two dashes begin a comment: MySQL wants a space after them.
func dashes(text string) bool {
	return strings.HasPrefix(text, "--") && (len(text) == 2 || text[2] == ' ' || text[2] >= '\t' && text[2] <= '\r')
}

func lineEnd(text string, from int) int {
	if at := strings.IndexByte(text[from:], '\n'); at >= 0 {
		return from + at + 1
	}
	return len(text)
}

// comment passes over a comment. Those of the forms /*! and /*M! have code for MySQL and MariaDB, /*T! for TiDB.
func (s *scanned) comment(from int) int {
	inside := s.text[from+2:]
	if strings.HasPrefix(inside, "!") || strings.HasPrefix(inside, "M!") || strings.HasPrefix(inside, "T!") {
		s.executable = true
	}
	at := strings.Index(inside, "*/")
	if at < 0 {
		s.broken = true
		return len(s.text)
	}
	if inside[0] == '+' && strings.Contains(strings.ToUpper(inside[:at]), "SET_VAR") {
		s.executable = true // the hint changes a variable for the statement, but not for the image
	}
	return from + 2 + at + 2
}

// quoteEnd returns where the quote ends that begins at from. A doubled quote stands for itself.
func (s *scanned) quoteEnd(from int, escapes bool) int {
	quote := s.text[from]
	for i := from + 1; i < len(s.text); i++ {
		switch {
		case s.text[i] == '\\' && escapes:
			i++
		case s.text[i] == quote:
			if i+1 == len(s.text) || s.text[i+1] != quote {
				return i + 1
			}
			i++
		}
	}
	s.broken = true
	return len(s.text)
}

// variableEnd returns where the variable ends that begins at from: @a, @`a b`, @@session.a.
func (s *scanned) variableEnd(from int) int {
	i := from + 1
	for i < len(s.text) && s.text[i] == '@' {
		i++
	}
	if i < len(s.text) && strings.IndexByte("`'\"", s.text[i]) >= 0 {
		return s.quoteEnd(i, false)
	}
	for i < len(s.text) && (wordByte(s.text[i]) || s.text[i] == '.') {
		i++
	}
	return i
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// is tells whether token i reads as given.
func (s *scanned) is(i int, text string) bool {
	return i >= 0 && i < len(s.tokens) && s.text[s.tokens[i].start:s.tokens[i].end] == text
}

// word tells whether token i is a keyword, which is given in upper case.
func (s *scanned) word(i int, keyword string) bool {
	if i < 0 || i >= len(s.tokens) || !s.tokens[i].free {
		return false
	}
	t := s.tokens[i]
	return t.end-t.start == len(keyword) && strings.EqualFold(s.text[t.start:t.end], keyword)
}

// find returns the first token from i on that is one of the keywords and in no parentheses, or the number of tokens.
func (s *scanned) find(i int, keywords ...string) int {
	for ; i < len(s.tokens); i++ {
		if s.tokens[i].depth != 0 {
			continue
		}
		for _, k := range keywords {
			if s.word(i, k) {
				return i
			}
		}
	}
	return len(s.tokens)
}

// split returns the statements of a text, each with tokens of its own that count from its first byte.
func (s *scanned) split() []scanned {
	var parts []scanned
	first := 0
	for i := 0; i <= len(s.tokens); i++ {
		if i < len(s.tokens) && !s.is(i, ";") {
			continue
		}
		if i > first {
			start, end := s.tokens[first].start, s.tokens[i-1].end
			part := scanned{text: s.text[start:end], executable: s.executable, broken: s.broken}
			part.tokens = append(part.tokens, s.tokens[first:i]...)
			first := part.tokens[0].before
			for j := range part.tokens {
				part.tokens[j].before -= first
				part.tokens[j].start -= start
				part.tokens[j].end -= start
			}
			parts = append(parts, part)
		}
		first = i + 1
	}
	return parts
}

// clip is a piece of a statement's text and the positions of its parameters among those of the statement, from 0.
type clip struct {
	text   string
	params []int
}

// empty tells whether there is nothing in it.
func (c clip) empty() bool { return c.text == "" }

// clip cuts tokens from (inclusive) to (exclusive) out. Comments between tokens stay, which does no harm: one that
// reaches to the end of its line has its line end in the piece, or lies behind it.
func (s *scanned) clip(from, to int) clip {
	if from >= to {
		return clip{}
	}
	c := clip{text: s.text[s.tokens[from].start:s.tokens[to-1].end]}
	for _, t := range s.tokens[from:to] {
		if t.kind == tokenParam {
			c.params = append(c.params, t.before)
		}
	}
	return c
}

// params counts the parameters.
func (s *scanned) params() int {
	last := len(s.tokens) - 1
	if last < 0 {
		return 0
	}
	n := s.tokens[last].before
	if s.tokens[last].kind == tokenParam {
		n++
	}
	return n
}

// name returns the name that token i is, without its quotes, or "".
func (s *scanned) name(i int) string {
	if i < 0 || i >= len(s.tokens) {
		return ""
	}
	t := s.tokens[i]
	text := s.text[t.start:t.end]
	switch {
	case t.kind == tokenWord:
		return text
	case t.kind == tokenName && len(text) >= 2:
		quote := text[:1]
		return strings.ReplaceAll(text[1:len(text)-1], quote+quote, quote)
	}
	return ""
}
