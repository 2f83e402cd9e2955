package spel

import (
	"strings"
	"unicode/utf8"
)

// token is a word of an expression. Names keep their text, operators are in kind.
type token struct {
	kind   string
	text   string
	offset int
}

// Kinds of tokens that are no operators; an operator's kind is its text.
const (
	tokenEnd    = "end"
	tokenName   = "name"
	tokenNumber = "number"
	tokenText   = "text"
)

// operators lists what is written with signs, the longest first.
var operators = []string{
	"?.", "?:", "?[", "![", "^[", "$[", "==", "!=", "<=", ">=", "&&", "||", "++", "--",
	"+", "-", "*", "/", "%", "^", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "#", "!", "<", ">", "=", "@", "&",
}

// named are the operators that have a name as well, in any case. A name is the operator wherever it stands.
var named = map[string]string{
	"div": "/", "mod": "%", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "not": "!",
}

// lex cuts a text into tokens.
func lex(text string) ([]token, error) {
	var out []token
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case letter(c) || c == '_':
			end := i + 1
			for end < len(text) && (letter(text[end]) || digit(text[end]) || text[end] == '_' || text[end] == '$') {
				end++
			}
			out = append(out, word(text[i:end], i))
			i = end
		case digit(c):
			end, err := number(text, i)
			if err != nil {
				return nil, err
			}
			out = append(out, token{kind: tokenNumber, text: text[i:end], offset: i})
			i = end
		case c == '\'' || c == '"':
			value, end, err := quoted(text, i)
			if err != nil {
				return nil, err
			}
			out = append(out, token{kind: tokenText, text: value, offset: i})
			i = end
		default:
			op := sign(text[i:])
			if op == "" {
				r, _ := utf8.DecodeRuneInString(text[i:])
				return nil, fail(Syntax, i, "%q has no meaning here; put a name with such a letter in quotes", r)
			}
			out = append(out, token{kind: op, text: op, offset: i})
			i += len(op)
		}
	}
	return append(out, token{kind: tokenEnd, offset: len(text)}), nil
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func digit(c byte) bool { return c >= '0' && c <= '9' }

func hex(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// word is a name, or an operator that is written as one.
func word(text string, offset int) token {
	if op := named[strings.ToLower(text)]; op != "" {
		return token{kind: op, text: text, offset: offset}
	}
	return token{kind: tokenName, text: text, offset: offset}
}

func sign(text string) string {
	for _, op := range operators {
		if strings.HasPrefix(text, op) {
			return op
		}
	}
	return ""
}

// number returns where the number ends that begins at i, with its suffix.
func number(text string, i int) (int, error) {
	at := func(n int) byte {
		if n < len(text) {
			return text[n]
		}
		return 0
	}
	begin := i
	if at(i) == '0' && at(i+1)|0x20 == 'x' {
		for i += 2; hex(at(i)); i++ {
		}
		if at(i)|0x20 == 'l' {
			i++
		}
		return i, nil
	}
	for digit(at(i)) {
		i++
	}
	real := false
	if at(i) == '.' && digit(at(i+1)) {
		real = true
		for i++; digit(at(i)); i++ {
		}
	}
	if at(i)|0x20 == 'e' {
		real = true
		i++
		if at(i) == '+' || at(i) == '-' {
			i++
		}
		if !digit(at(i)) {
			return 0, fail(Syntax, begin, "the exponent of the number has no digits")
		}
		for digit(at(i)) {
			i++
		}
	}
	switch at(i) | 0x20 {
	case 'l':
		if real {
			return 0, fail(Syntax, begin, "a number with a fraction can't be a long")
		}
		i++
	case 'd', 'f':
		i++
	}
	return i, nil
}

// quoted returns the text in quotes that begins at i, and where it ends. A doubled quote stands for itself.
func quoted(text string, i int) (string, int, error) {
	quote := text[i]
	var b strings.Builder
	for j := i + 1; j < len(text); j++ {
		if text[j] != quote {
			b.WriteByte(text[j])
			continue
		}
		if j+1 < len(text) && text[j+1] == quote {
			b.WriteByte(quote)
			j++
			continue
		}
		return b.String(), j + 1, nil
	}
	return "", 0, fail(Syntax, i, "the text has no closing %c", quote)
}
