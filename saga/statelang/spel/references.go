package spel

// Reference is a place where an expression reads a key of its root.
type Reference struct {
	Key    string
	Offset int
	// Bare is true for a name without brackets, which in Java is a property: of the context, which is a map, it fails.
	Bare bool
}

// References lists what is read of the root, in the order of the text.
func (e *Expression) References() []Reference {
	var out []Reference
	walk(e.root, true, func(n *node, key string, bare bool) {
		out = append(out, Reference{Key: key, Offset: n.offset, Bare: bare})
	})
	return out
}

// walk calls visit for each key that is read of the root; atRoot says whether names mean the root here.
func walk(n *node, atRoot bool, visit func(n *node, key string, bare bool)) {
	switch n.op {
	case opName:
		if atRoot {
			visit(n, n.text, true)
		}
	case opIndex:
		if key, ok := fixedKey(n); ok && atRoot {
			visit(n, key, false)
			return
		}
		walkIndex(n, visit)
	case opSelect, opProject:
		walk(n.kids[0], false, visit)
	case opChain:
		first, tail := n.kids[0], n.kids[1:]
		_, fixed := fixedKey(tail[0])
		if first.op == opRoot && fixed {
			walk(tail[0], true, visit)
			tail = tail[1:]
		} else {
			walk(first, atRoot, visit)
		}
		for _, kid := range tail {
			switch kid.op {
			case opIndex:
				walkIndex(kid, visit)
			case opSelect, opProject:
				walk(kid.kids[0], false, visit)
			}
		}
	default:
		for _, kid := range n.kids {
			walk(kid, atRoot, visit)
		}
	}
}

// walkIndex goes through what stands in brackets, where names mean the root again.
func walkIndex(n *node, visit func(n *node, key string, bare bool)) {
	if _, fixed := fixedKey(n); !fixed {
		walk(n.kids[0], true, visit)
	}
}

// fixedKey returns the key of [key] and ['key'].
func fixedKey(n *node) (string, bool) {
	if n.op != opIndex {
		return "", false
	}
	switch kid := n.kids[0]; kid.op {
	case opName:
		return kid.text, true
	case opLiteral:
		key, ok := kid.value.(string)
		return key, ok
	}
	return "", false
}

// NegationTrap returns the place of a "![" that begins a value: it is a projection of what the value is read of, though
// most who write it mean "not [".
func (e *Expression) NegationTrap() (offset int, found bool) {
	return trap(e.root)
}

func trap(n *node) (int, bool) {
	if n.op == opProject {
		return n.offset, true
	}
	for i, kid := range n.kids {
		if n.op == opChain && i > 0 && kid.op == opProject {
			kid = kid.kids[0]
		}
		if offset, found := trap(kid); found {
			return offset, true
		}
	}
	return 0, false
}

// Constant returns the value of an expression that reads nothing, and whether it is such a one.
func (e *Expression) Constant() (any, bool) {
	if reads(e.root) {
		return nil, false
	}
	value, err := e.Eval(nil)
	return value, err == nil
}

func reads(n *node) bool {
	switch n.op {
	case opLiteral, opUnary, opBinary, opTernary, opElvis:
		for _, kid := range n.kids {
			if reads(kid) {
				return true
			}
		}
		return false
	}
	return true
}
