package statement

import (
	"container/list"
	"sync"

	tidb "github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// Options say how statements are read. The zero value is MySQL's default.
type Options struct {
	// AllColumns has images with all columns, where otherwise an UPDATE's has the key, what it sets, and what the
	// database sets by itself (Seata's onlyCareUpdateColumns=false).
	AllColumns bool
	// AllowTriggers lets statements run on tables with triggers. What a trigger writes elsewhere is not undone.
	AllowTriggers bool
	// ANSIQuotes and NoBackslashEscapes say that the sessions run in these SQL modes.
	ANSIQuotes, NoBackslashEscapes bool
	// Entries bounds the texts that the cache remembers; 0 is 1024.
	Entries int
}

// cachedBytesMax is the longest text that is remembered. Longer ones are rarely seen twice.
const cachedBytesMax = 16 << 10

// Cache parses texts and remembers the results of those that came last. Its methods may be called concurrently.
type Cache struct {
	options Options
	parsers sync.Pool // of *tidb.Parser, which one goroutine uses at a time

	mu      sync.Mutex
	entries map[string]*list.Element
	recent  *list.List // of *cached, the one used last in front
}

type cached struct {
	text       string
	statements []*Statement
}

// NewCache returns an empty cache.
func NewCache(o Options) *Cache {
	if o.Entries <= 0 {
		o.Entries = 1024
	}
	return &Cache{options: o, entries: make(map[string]*list.Element), recent: list.New()}
}

// Parse reads a text of one or several statements. What it can't read is a statement of kind Refused, so that there is
// no error here: a text that runs outside of global transactions may be anything. A text without statements has none.
func (c *Cache) Parse(text string) []*Statement {
	if known, ok := c.get(text); ok {
		return known
	}
	statements := c.parse(text)
	if len(text) <= cachedBytesMax {
		c.put(text, statements)
	}
	return statements
}

func (c *Cache) get(text string) ([]*Statement, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[text]
	if !ok {
		return nil, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached).statements, true
}

func (c *Cache) put(text string, statements []*Statement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[text]; ok {
		return
	}
	if c.recent.Len() >= c.options.Entries {
		oldest := c.recent.Back()
		delete(c.entries, c.recent.Remove(oldest).(*cached).text)
	}
	c.entries[text] = c.recent.PushFront(&cached{text: text, statements: statements})
}

// Len returns how many texts are remembered.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent.Len()
}

// parser returns a parser for one goroutine. It goes back by c.parsers.Put.
func (c *Cache) parser() *tidb.Parser {
	if p, ok := c.parsers.Get().(*tidb.Parser); ok {
		return p
	}
	p := tidb.New()
	mode := mysql.SQLMode(mysql.ModeNone)
	if c.options.ANSIQuotes {
		mode |= mysql.ModeANSIQuotes
	}
	if c.options.NoBackslashEscapes {
		mode |= mysql.ModeNoBackslashEscapes
	}
	p.SetSQLMode(mode)
	return p
}
