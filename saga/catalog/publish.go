package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/plan"
	"github.com/concord-tx/concord/saga/validate"
)

// kind is that of the documents: one for each version, by name and version.
const kind = "saga-definition"

// Options are the parts of a [Catalog].
type Options struct {
	Documents orchestrator.Documents
	Clock     orchestrator.Clock // nil: the system's
	// Deadline is of sagas that name none; 0 is a day.
	Deadline time.Duration
	Logger   *slog.Logger // nil: discarded
}

// Catalog has the published definitions. All methods may be called concurrently.
type Catalog struct {
	docs     orchestrator.Documents
	clock    orchestrator.Clock
	deadline time.Duration
	logger   *slog.Logger

	mu      sync.RWMutex
	ready   map[txn.SagaRun]*plan.Program // by name and version
	loading map[txn.SagaRun][]func(error)
	loads   sync.WaitGroup
	closed  bool
}

// New makes a catalog.
func New(o Options) *Catalog {
	c := &Catalog{
		docs: o.Documents, clock: o.Clock, deadline: o.Deadline, logger: o.Logger,
		ready: map[txn.SagaRun]*plan.Program{}, loading: map[txn.SagaRun][]func(error){},
	}
	if c.clock == nil {
		c.clock = orchestrator.SystemClock{}
	}
	if c.deadline == 0 {
		c.deadline = 24 * time.Hour
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Published is one version of a definition.
type Published struct {
	Name    string `json:"name"`
	Version uint32 `json:"version"`
	// Digest is that of what the text means; see [definition.Definition.Digest].
	Digest string `json:"digest"`
	// Text is the document as it was given, YAML or JSON.
	Text string `json:"text"`
	// Subs are the versions of the sub-sagas, by name.
	Subs map[string]uint32 `json:"subs,omitempty"`
	// At is when it was published, By by whom, Note what they said.
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Note string    `json:"note,omitempty"`
}

// Review is what was found in a definition.
type Review struct {
	Findings []definition.Finding
	// Report is that of the exploration, nil if the definition is too broken for one.
	Report *explore.Report
	// Subs are the versions of sub-sagas that were looked at.
	Subs map[string]uint32
}

// Sound reports whether the definition may be published.
func (r *Review) Sound() bool {
	return !definition.Broken(r.Findings) && r.Report != nil && len(r.Report.Failures) == 0
}

// ErrUnsound: the definition may not be published; the review says why.
var ErrUnsound = errors.New("the definition is not sound")

// Review checks and explores a definition. The definition is nil if the text cannot be read. The error is a fault.
func (c *Catalog) Review(ctx context.Context, text []byte) (*definition.Definition, Review, error) {
	var r Review
	subs, fault := map[string]*definition.Definition{}, error(nil)
	r.Subs = map[string]uint32{}
	lookup := func(name string, version int) (*definition.Definition, bool) {
		key := fmt.Sprint(name, "@", version)
		if def := subs[key]; def != nil {
			return def, true
		}
		p, err := c.find(ctx, name, uint32(max(version, 0)))
		if err != nil {
			if !errors.Is(err, orchestrator.ErrNoDocument) {
				fault = err
			}
			return nil, false
		}
		def, _ := definition.Parse([]byte(p.Text))
		if subs[key] = def; version == 0 {
			r.Subs[name] = p.Version
		}
		return def, def != nil
	}
	def, findings := validate.Document(text, validate.Options{Sagas: lookup, Deadline: c.deadline})
	r.Findings = findings
	if fault != nil || def == nil || definition.Broken(findings) {
		return def, r, fault
	}
	report, err := explore.Run(def, func(name string, version int) (*definition.Definition, error) {
		if sub, ok := lookup(name, version); ok {
			return sub, nil
		}
		return nil, fmt.Errorf("no saga %s is published", name)
	}, explore.Options{})
	if fault != nil {
		err = fault
	}
	if err != nil {
		return def, r, err
	}
	r.Report = &report
	return def, r, nil
}

// Publish makes a definition the newest version of its saga; what it means must be sound. If the newest version means
// the same, that is returned, and fresh is false. Errors: [ErrUnsound], [orchestrator.ErrConflict] if somebody else
// published at the same time, faults.
func (c *Catalog) Publish(
	ctx context.Context, text []byte, by, note string,
) (p Published, r Review, fresh bool, err error) {
	def, r, err := c.Review(ctx, text)
	if err != nil {
		return p, r, false, err
	}
	if !r.Sound() {
		return p, r, false, ErrUnsound
	}
	newest, err := c.find(ctx, def.Name, 0)
	switch {
	case errors.Is(err, orchestrator.ErrNoDocument):
	case err != nil:
		return p, r, false, err
	case newest.Digest == def.Digest() && equal(newest.Subs, r.Subs):
		return newest, r, false, nil
	}
	p = Published{
		Name: def.Name, Version: newest.Version + 1, Digest: def.Digest(), Text: string(text), Subs: r.Subs,
		At: c.clock.Now().Time(), By: by, Note: note,
	}
	value, err := json.Marshal(p)
	if err != nil {
		return p, r, false, err
	}
	err = c.docs.PutDocument(ctx, orchestrator.Document{Kind: kind, Key: p.Key(), Version: 1, Value: value})
	return p, r, err == nil, err
}

func equal(a, b map[string]uint32) bool {
	for name, version := range a {
		if b[name] != version {
			return false
		}
	}
	return len(a) == len(b)
}

// keyOf orders the versions of a saga.
func keyOf(name string, version uint32) string { return fmt.Sprintf("%s/%010d", name, version) }

// Get returns a version, 0 being the newest. Errors: [orchestrator.ErrNoDocument], faults.
func (c *Catalog) Get(ctx context.Context, name string, version uint32) (Published, error) {
	return c.find(ctx, name, version)
}

func (c *Catalog) find(ctx context.Context, name string, version uint32) (p Published, err error) {
	var d orchestrator.Document
	if version != 0 {
		d, err = c.docs.GetDocument(ctx, kind, keyOf(name, version))
	} else {
		var all []orchestrator.Document
		q := orchestrator.DocumentQuery{Kind: kind, Prefix: name + "/", Newest: true, Limit: 1}
		all, err = c.docs.ListDocuments(ctx, q)
		if err == nil && len(all) == 0 {
			err = orchestrator.ErrNoDocument
		} else if err == nil {
			d = all[0]
		}
	}
	if err != nil {
		return p, fmt.Errorf("read saga %s: %w", name, err)
	}
	if err := json.Unmarshal(d.Value, &p); err != nil {
		return p, fmt.Errorf("read saga %s: %w", name, err)
	}
	return p, nil
}

// List returns versions, by name and version, that come after a key; the last one's [Published.Key] goes on. Only an
// empty list says that there are no more. Texts are left out.
func (c *Catalog) List(ctx context.Context, prefix, after string, limit int) ([]Published, error) {
	q := orchestrator.DocumentQuery{Kind: kind, Prefix: prefix, After: after, Limit: limit}
	docs, err := c.docs.ListDocuments(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list sagas: %w", err)
	}
	all := make([]Published, 0, len(docs))
	for _, d := range docs {
		var p Published
		if err := json.Unmarshal(d.Value, &p); err != nil {
			return nil, fmt.Errorf("read saga %s: %w", d.Key, err)
		}
		p.Text = ""
		all = append(all, p)
	}
	return all, nil
}

// Key is where a list goes on.
func (p Published) Key() string { return keyOf(p.Name, p.Version) }
