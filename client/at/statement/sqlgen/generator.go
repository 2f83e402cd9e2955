package sqlgen

import "fmt"

// Choose returns a number from 0 to n-1; n is at least 1.
type Choose func(n int) int

// Generator makes things up. It is for one goroutine.
type Generator struct {
	choose Choose
	bends  bool
}

// New returns a generator that asks choose for every decision.
func New(choose Choose) *Generator { return &Generator{choose: choose} }

// Bend has the generator also make up values that the database stores as others or refuses, depending on its mode: too
// long, too large, rounded, of another type.
func (g *Generator) Bend() *Generator {
	g.bends = true
	return g
}

// Statement is a text and the arguments for its question marks.
type Statement struct {
	SQL  string
	Args []any
}

// String returns the statement as a failing test shows it.
func (s Statement) String() string { return fmt.Sprintf("%s %v", s.SQL, s.Args) }

// yes is true once in n times.
func (g *Generator) yes(n int) bool { return g.choose(n) == 0 }

func pick[T any](g *Generator, from ...T) T { return from[g.choose(len(from))] }
