package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/limits"
)

// The kinds of the documents: versions by name and number, texts by their hash.
const (
	kind     = "saga-definition"
	textKind = "saga-text"
)

// Published is one version of a definition.
type Published struct {
	Name    string `json:"name"`
	Version uint32 `json:"version"`
	// Digest is that of what the text means, in its language.
	Digest string `json:"digest"`
	Title  string `json:"title,omitempty"`
	// Language is the name of the one that it is written in.
	Language string `json:"language"`
	// Text is the document as it was given. Lists leave it out.
	Text string `json:"-"`
	// TextHash finds it.
	TextHash string `json:"text"`
	// Subs are the versions of the sub-sagas, by name.
	Subs map[string]uint32 `json:"subs,omitempty"`
	// At is when it was published, By by whom, Note what they said.
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Note string    `json:"note,omitempty"`
}

// Key is where it stands among all versions, and where a list goes on.
func (p Published) Key() string { return keyOf(p.Name, p.Version) }

// keyOf orders the versions of a saga. No name has a slash.
func keyOf(name string, version uint32) string { return fmt.Sprintf("%s/%010d", name, version) }

// nameOf is the name in a key.
func nameOf(key string) string {
	name, _, _ := strings.Cut(key, "/")
	return name
}

// Get returns a version with its text, 0 being the newest. Errors: [orchestrator.ErrNoDocument], faults.
func (c *Catalog) Get(ctx context.Context, name string, version uint32) (p Published, err error) {
	if nameProblem(name) != "" {
		return p, fmt.Errorf("read saga %s: %w", strconv.Quote(name), orchestrator.ErrNoDocument)
	}
	if version == 0 {
		p, err = c.newest(ctx, name)
	} else {
		var d orchestrator.Document
		if d, err = c.docs.GetDocument(ctx, kind, keyOf(name, version)); err == nil {
			p, err = decode(d)
		}
	}
	if err != nil {
		return p, fmt.Errorf("read saga %s: %w", name, err)
	}
	d, err := c.docs.GetDocument(ctx, textKind, p.TextHash)
	switch {
	case errors.Is(err, orchestrator.ErrNoDocument):
		return p, fmt.Errorf("text %s of saga %s, version %d, is missing", p.TextHash, name, p.Version)
	case err != nil:
		return p, fmt.Errorf("read saga %s: %w", name, err)
	}
	p.Text = string(d.Value)
	return p, nil
}

// newest returns the newest version without its text.
func (c *Catalog) newest(ctx context.Context, name string) (p Published, err error) {
	all, err := c.docs.ListDocuments(ctx, orchestrator.DocumentQuery{
		Kind: kind, Prefix: name + "/", Newest: true, Limit: 1,
	})
	switch {
	case err != nil:
		return p, err
	case len(all) == 0:
		return p, orchestrator.ErrNoDocument
	}
	return decode(all[0])
}

func decode(d orchestrator.Document) (p Published, err error) {
	if err := json.Unmarshal(d.Value, &p); err != nil {
		return p, fmt.Errorf("read version %s: %w", d.Key, err)
	}
	return p, nil
}

// keepText stores a text under its hash, once.
func (c *Catalog) keepText(ctx context.Context, text []byte) (hash string, err error) {
	sum := sha256.Sum256(text)
	hash = hex.EncodeToString(sum[:])
	err = c.docs.PutDocument(ctx, orchestrator.Document{Kind: textKind, Key: hash, Version: 1, Value: text})
	if errors.Is(err, orchestrator.ErrConflict) {
		return hash, nil // it is there
	}
	return hash, err
}

// List returns the newest version of each saga whose name comes after one, in order of their keys: fewer than limit
// only if there are no more. Texts are left out. Of each saga one old version is passed over and the newest is read,
// however many there are: a second document with the newest of each could be wrong after a crash, and this cannot.
func (c *Catalog) List(ctx context.Context, prefix, after string, limit int) ([]Published, error) {
	limit = pageOf(limit)
	all := []Published{}
	if strings.Contains(prefix, "/") || max(len(prefix), len(after)) > limits.PublishedNameBytesMax {
		return all, nil
	}
	q := orchestrator.DocumentQuery{Kind: kind, Prefix: prefix, Limit: 1}
	if after != "" {
		q.After = afterAll(after)
	}
	for len(all) < limit {
		docs, err := c.docs.ListDocuments(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list sagas: %w", err)
		}
		if len(docs) == 0 {
			break
		}
		p, err := c.newest(ctx, nameOf(docs[0].Key))
		if err != nil {
			return nil, fmt.Errorf("list sagas: %w", err)
		}
		all = append(all, p)
		q.After = afterAll(p.Name)
	}
	return all, nil
}

// afterAll comes after all versions of a saga, and before those of every other saga behind it.
func afterAll(name string) string { return name + "/~" }

// Versions returns the versions of a saga, the newest first, that are older than one, 0 being none: fewer than limit
// only if there are no more. Texts are left out. Errors: faults.
func (c *Catalog) Versions(ctx context.Context, name string, before uint32, limit int) ([]Published, error) {
	all := []Published{}
	if nameProblem(name) != "" {
		return all, nil
	}
	q := orchestrator.DocumentQuery{Kind: kind, Prefix: name + "/", Newest: true, Limit: limit}
	if before != 0 {
		q.After = keyOf(name, before)
	}
	err := c.each(ctx, q, func(d orchestrator.Document) error {
		p, err := decode(d)
		all = append(all, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list versions of saga %s: %w", name, err)
	}
	return all, nil
}

// pageOf is how many items a page has.
func pageOf(limit int) int {
	if limit <= 0 {
		return orchestrator.PageItemsDefault
	}
	return min(limit, orchestrator.PageItemsMax)
}

// each goes through documents until there is a page of them, since a list may end early.
func (c *Catalog) each(
	ctx context.Context, q orchestrator.DocumentQuery, visit func(orchestrator.Document) error,
) error {
	for left := pageOf(q.Limit); left > 0; {
		q.Limit = left
		docs, err := c.docs.ListDocuments(ctx, q)
		if err != nil || len(docs) == 0 {
			return err
		}
		for _, d := range docs {
			if err := visit(d); err != nil {
				return err
			}
		}
		left -= len(docs)
		q.After = docs[len(docs)-1].Key
	}
	return nil
}

// Steps lists the steps of a version. Errors: [orchestrator.ErrUnreadable].
func (c *Catalog) Steps(p *Published) ([]Step, error) {
	language := c.language(p.Language)
	if language == nil {
		return nil, unreadable(p, "it is in the language "+p.Language)
	}
	steps, err := language.Steps([]byte(p.Text))
	if err != nil {
		return nil, unreadable(p, err.Error())
	}
	return steps, nil
}
