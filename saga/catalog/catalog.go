package catalog

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Options are the parts of a [Catalog].
type Options struct {
	Documents orchestrator.Documents
	Clock     orchestrator.Clock // nil: the system's
	// Deadline is of sagas that name none; 0 is a day.
	Deadline time.Duration
	// BranchesMax is how many branches a run may have now; nil: limits.BranchesMax.
	BranchesMax func() int
	// CheckTarget says why calls to a URL are refused; it is a warning. nil: none are.
	CheckTarget func(url string) error
	// CheckTopic says why the messages of a saga may not use a topic. nil: they may use any.
	CheckTopic func(name string) error
	// Languages are those beside our own; of several that recognise a text the first reads it.
	Languages []Language
	// Alone says that nobody else publishes to these documents, so that what is the newest version is kept in memory.
	Alone  bool
	Logger *slog.Logger // nil: discarded
}

// Catalog has the published definitions. All methods may be called concurrently.
type Catalog struct {
	docs      orchestrator.Documents
	clock     orchestrator.Clock
	languages []Language // the last one is ours
	logger    *slog.Logger
	alone     bool
	// checks has room for those that may check at the same time: that takes processors, not time.
	checks   chan struct{}
	failures failures

	// ready are the versions that are ready to run. Each event of each run looks here, so it is replaced as a whole, by
	// those who hold the mutex.
	ready atomic.Pointer[map[version]*Compiled]

	mu      sync.RWMutex
	loading map[txn.SagaRun][]func(error)
	last    map[string]uint32 // the newest versions, if it is alone
	// publications counts what was published here.
	publications uint64
	loads        sync.WaitGroup
	closed       bool
}

// checksMax is how many definitions are checked at the same time. The others wait.
const checksMax = 2

// New makes a catalog.
func New(o Options) *Catalog {
	c := &Catalog{
		docs: o.Documents, clock: o.Clock, logger: o.Logger, checks: make(chan struct{}, checksMax),
		loading: map[txn.SagaRun][]func(error){},
		alone:   o.Alone, last: map[string]uint32{},
		failures: failures{all: map[txn.SagaRun]*failure{}},
	}
	c.ready.Store(&map[version]*Compiled{})
	if c.clock == nil {
		c.clock = orchestrator.SystemClock{}
	}
	if o.Deadline == 0 {
		o.Deadline = 24 * time.Hour
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	c.languages = append(append(c.languages, o.Languages...), own{o.Deadline, o.CheckTopic, o.CheckTarget, o.BranchesMax})
	return c
}

// language returns the one with a name, nil if there is none.
func (c *Catalog) language(name string) Language {
	for _, l := range c.languages {
		if l.Name() == name {
			return l
		}
	}
	return nil
}

// recognise returns the language of a text.
func (c *Catalog) recognise(text []byte) Language {
	for _, l := range c.languages {
		if l.Recognise(text) {
			return l
		}
	}
	panic("catalog: our own language recognises everything")
}

// Close waits for readings that are under way. Nothing is loaded afterwards.
func (c *Catalog) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.loads.Wait()
}
