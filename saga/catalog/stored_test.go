package catalog

import (
	"encoding/json"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/definition"
)

// TestWhatWasPublishedBeforeALimitWasLoweredRuns: a version that is stored, and has more of something than may be
// published now, is loaded and shown as it is; another one like it is not published.
func TestWhatWasPublishedBeforeALimitWasLoweredRuns(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	tried := 0
	for name, b := range bounds() {
		if b.rule != definition.RuleLimit || name == "ExpressionsMax" { // to compile so many takes its time
			continue
		}
		text := b.make(b.limit + 1)
		tried++
		p := Published{
			Name: "stored", Version: uint32(tried), Language: Concord, Text: text,
		}
		var err error
		if p.TextHash, err = c.keepText(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		d := orchestrator.Document{Kind: kind, Key: p.Key(), Version: 1, Value: raw}
		if err := s.PutDocument(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if err := load(c, p.Name, p.Version); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := (own{}).Steps([]byte(text)); err != nil {
			t.Errorf("%s is not shown: %v", name, err)
		}
	}
	if tried < 20 {
		t.Errorf("only %d limits were tried", tried)
	}
}
