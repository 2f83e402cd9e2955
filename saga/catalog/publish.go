package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// ErrUnsound: the definition may not be published; the review says why.
var ErrUnsound = errors.New("the definition is not sound")

// Review checks and explores a text. Errors: [orchestrator.ErrBusy] if others are checked until ctx ends, faults.
func (c *Catalog) Review(ctx context.Context, text []byte) (Review, error) {
	select {
	case c.checks <- struct{}{}:
		defer func() { <-c.checks }()
	case <-ctx.Done():
		return Review{}, fmt.Errorf("check a definition: %w", orchestrator.ErrBusy) // nothing was done
	}
	language := c.recognise(text)
	subs := map[string]uint32{}
	r, err := language.Check(ctx, text, func(name string, version uint32) (Published, error) {
		p, err := c.Get(ctx, name, version)
		if err == nil && version == 0 {
			subs[name] = p.Version
		}
		return p, err
	})
	r.Language, r.Subs = language.Name(), subs
	known := len(r.Name) > limits.PublishedNameBytesMax && definition.Broken(r.Findings) // the language has said so
	if problem := nameProblem(r.Name); problem != "" && r.Name != "" && !known {
		r.Findings = append(r.Findings, definition.Finding{
			Rule: definition.RuleBadName, Severity: definition.SeverityError, Line: 1, Column: 1, Path: "/Name",
			Text: problem, Advice: "choose another name",
		})
	}
	return r, err
}

// nameProblem says what is wrong with a name, which is a part of keys and addresses.
func nameProblem(name string) string {
	switch {
	case name == "" || len(name) > limits.PublishedNameBytesMax:
		return fmt.Sprintf("the name of a saga has 1 to %d bytes", limits.PublishedNameBytesMax)
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == '/' || r == 0x7f
	}):
		return "the name of a saga has no spaces, slashes or control characters"
	}
	return ""
}

// Publish makes a definition the newest version of its saga; what it means must be sound. If the newest version means
// the same, that is returned, and fresh is false. Errors: [ErrUnsound], [orchestrator.ErrConflict] if others publish it
// at the same time, again and again; faults.
func (c *Catalog) Publish(
	ctx context.Context, text []byte, by, note string,
) (p Published, r Review, fresh bool, err error) {
	return c.publish(ctx, text, "", by, note)
}

// PublishDraft publishes a draft as Publish does, and removes it if it is still the same; removed says whether. Its
// text has to call the saga what the draft is called.
func (c *Catalog) PublishDraft(
	ctx context.Context, d *Draft, by, note string,
) (p Published, r Review, fresh, removed bool, err error) {
	if p, r, fresh, err = c.publish(ctx, []byte(d.Text), d.Name, by, note); err != nil {
		return p, r, fresh, false, err
	}
	err = c.DeleteDraft(ctx, d.Name, d.Version)
	if errors.Is(err, orchestrator.ErrConflict) || errors.Is(err, orchestrator.ErrNoDocument) {
		return p, r, fresh, false, nil // somebody has changed or removed it
	}
	return p, r, fresh, err == nil, err
}

// publish publishes a text, which calls the saga name unless that is empty.
func (c *Catalog) publish(
	ctx context.Context, text []byte, name, by, note string,
) (p Published, r Review, fresh bool, err error) {
	for try := range publishTries { // what others publish meanwhile may change what sub-sagas there are, too
		if r, err = c.Review(ctx, text); err != nil {
			return p, r, false, err
		}
		if r.Called(name); !r.Sound() || nameProblem(r.Name) != "" {
			return p, r, false, ErrUnsound
		}
		if p, fresh, err = c.put(ctx, text, &r, by, note); !errors.Is(err, orchestrator.ErrConflict) {
			break
		}
		pause := time.NewTimer(publishPause << try)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return p, r, false, ctx.Err()
		}
	}
	return p, r, fresh, err
}

// publishTries is how often a publication is tried that meets others of the same saga. Theirs are seen when they are
// durable, so each try waits twice as long as the one before, from publishPause on.
const (
	publishTries = 4
	publishPause = 5 * time.Millisecond
)

// Called adds to the findings if the definition calls its saga something else, unless name is empty.
func (r *Review) Called(name string) {
	if name == "" || r.Name == "" || r.Name == name {
		return
	}
	r.Findings = append(r.Findings, definition.Finding{
		Rule: definition.RuleBadName, Severity: definition.SeverityError, Path: "/name",
		Text:   fmt.Sprintf("the definition calls the saga %q, and the draft is called %q", r.Name, name),
		Advice: "give both the same name",
	})
}

// put stores what was found sound.
func (c *Catalog) put(
	ctx context.Context, text []byte, r *Review, by, note string,
) (p Published, fresh bool, err error) {
	newest, err := c.newest(ctx, r.Name)
	switch {
	case errors.Is(err, orchestrator.ErrNoDocument):
	case err != nil:
		return p, false, err
	case newest.Digest == r.Digest && newest.Language == r.Language && maps.Equal(newest.Subs, r.Subs):
		p, err = c.Get(ctx, r.Name, newest.Version)
		return p, false, err
	}
	p = Published{
		Name: r.Name, Version: newest.Version + 1, Digest: r.Digest, Title: r.Title, Language: r.Language,
		Subs: r.Subs, At: c.clock.Now().Time().UTC(), By: by, Note: note,
	}
	if p.TextHash, err = c.keepText(ctx, text); err != nil {
		return p, false, err
	}
	value, err := json.Marshal(p)
	if err != nil {
		return p, false, err
	}
	p.Text = string(text)
	err = c.docs.PutDocument(ctx, orchestrator.Document{Kind: kind, Key: p.Key(), Version: 1, Value: value})
	c.published(p.Name) // also if nobody knows what became of it
	c.failures.forget(txn.SagaRun{Definition: p.Name, Version: p.Version})
	return p, err == nil, err
}
