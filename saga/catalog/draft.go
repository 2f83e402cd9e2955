package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/limits"
)

// draftKind is that of the documents that hold drafts: a line of JSON and then the text, as it was given.
const draftKind = "saga-draft"

// A draft, with who has changed it, and a definition are one document of the store each, so these are not negative.
const (
	_ = uint(orchestrator.DocumentBytesMax - 4096 - limits.DraftBytesMax)
	_ = uint(orchestrator.DocumentBytesMax - limits.DocumentBytesMax)
)

// Draft is a text that is worked on. Nothing runs it, so that it need not be sound, and not even be in any language.
type Draft struct {
	Name string `json:"name"`
	// Version counts the changes.
	Version uint64 `json:"-"`
	// At is when it was changed, By by whom.
	At time.Time `json:"at"`
	By string    `json:"by"`
	// Text is left out in lists, where Bytes is how long it is.
	Text  string `json:"-"`
	Bytes int    `json:"-"`
}

// PutDraft stores the next version of a draft: before is the version that it replaces, 0 if it is new. Errors:
// [orchestrator.ErrConflict] if that is not the present one, [orchestrator.ErrTooLarge], [ErrName], faults.
func (c *Catalog) PutDraft(ctx context.Context, name, text, by string, before uint64) (Draft, error) {
	d := Draft{
		Name: name, Version: before + 1, At: c.clock.Now().Time().UTC(), By: by, Text: text, Bytes: len(text),
	}
	if problem := nameProblem(name); problem != "" {
		return d, fmt.Errorf("%w: %s", ErrName, problem)
	}
	if len(text) > limits.DraftBytesMax {
		return d, orchestrator.ErrTooLarge
	}
	head, err := json.Marshal(d)
	if err != nil {
		return d, err
	}
	value := append(append(head, '\n'), text...)
	err = c.docs.PutDocument(ctx, orchestrator.Document{Kind: draftKind, Key: name, Version: d.Version, Value: value})
	if err != nil {
		return d, fmt.Errorf("store draft %s: %w", name, err)
	}
	return d, nil
}

// ErrName: this cannot be the name of a saga.
var ErrName = errors.New("not the name of a saga")

// Draft returns a draft. Errors: [orchestrator.ErrNoDocument], faults.
func (c *Catalog) Draft(ctx context.Context, name string) (Draft, error) {
	if nameProblem(name) != "" {
		return Draft{}, orchestrator.ErrNoDocument
	}
	doc, err := c.docs.GetDocument(ctx, draftKind, name)
	if err != nil {
		return Draft{}, fmt.Errorf("read draft %s: %w", name, err)
	}
	return decodeDraft(doc)
}

func decodeDraft(doc orchestrator.Document) (d Draft, err error) {
	head, text, found := bytes.Cut(doc.Value, []byte("\n"))
	if err = json.Unmarshal(head, &d); err != nil || !found {
		return d, fmt.Errorf("read draft %s: %w", doc.Key, errors.Join(err, errors.New("it is damaged")))
	}
	d.Version, d.Text, d.Bytes = doc.Version, string(text), len(text)
	return d, nil
}

// Drafts returns drafts that come after a name, in order of their names, without their texts: fewer than limit only if
// there are no more.
func (c *Catalog) Drafts(ctx context.Context, prefix, after string, limit int) ([]Draft, error) {
	all := []Draft{}
	if len(prefix) > limits.PublishedNameBytesMax || len(after) > limits.PublishedNameBytesMax {
		return all, nil
	}
	q := orchestrator.DocumentQuery{Kind: draftKind, Prefix: prefix, After: after, Limit: limit}
	err := c.each(ctx, q, func(doc orchestrator.Document) error {
		d, err := decodeDraft(doc)
		d.Text = ""
		all = append(all, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list drafts: %w", err)
	}
	return all, nil
}

// DeleteDraft removes a version of a draft, 0 being any. Errors: [orchestrator.ErrConflict] if it is another one by
// now, [orchestrator.ErrNoDocument] if there is none, faults.
func (c *Catalog) DeleteDraft(ctx context.Context, name string, version uint64) error {
	d, err := c.Draft(ctx, name)
	if err != nil {
		return err
	}
	if version == 0 {
		version = d.Version
	}
	if err := c.docs.DeleteDocument(ctx, draftKind, name, version); err != nil {
		return fmt.Errorf("remove draft %s: %w", name, err)
	}
	return nil
}
