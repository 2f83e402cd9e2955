package mq

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// compile compiles a part of a JSON Schema; "" is the whole.
func compile(t *testing.T, text []byte, part string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	const at = "schema.json"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(at, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(at + part)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, text []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// drawDecided draws a transaction with a decision.
func drawDecided(t *rapid.T) *txn.Global {
	text := rapid.OneOf(rapid.StringN(0, 30, 120), rapid.StringMatching(`[\x00-\x1f"\\]{0,8}`),
		rapid.SampledFrom([]string{"\xff\xfe", "a\xc3", "\u2028"}))
	g := &txn.Global{
		XID:     txn.XID{Prefix: text.Draw(t, "prefix"), ID: rapid.Int64Min(1).Draw(t, "id")},
		Version: rapid.Uint64Min(1).Draw(t, "version"), Application: text.Draw(t, "application"),
		Group: text.Draw(t, "group"), Name: text.Draw(t, "name"),
		BeganAt:   txn.Millis(rapid.Int64Range(1, 4e12).Draw(t, "began")),
		DecidedAt: txn.Millis(rapid.Int64Range(1, 4e12).Draw(t, "decided")),
		Status:    txn.Status(rapid.IntRange(int(txn.Committing), int(txn.RolledBack)).Draw(t, "status")),
		Cause:     txn.Cause(rapid.IntRange(1, 4).Draw(t, "cause")),
		Timeout:   time.Minute,
		Trace: rapid.SampledFrom([]string{"", "nonsense\"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}).
			Draw(t, "trace"),
	}
	for range rapid.IntRange(0, 4).Draw(t, "branches") {
		b := &txn.Branch{
			ID: rapid.Int64Min(1).Draw(t, "branch"), Kind: txn.Kind(rapid.IntRange(1, 6).Draw(t, "kind")),
			Resource: text.Draw(t, "resource"), Data: text.Draw(t, "data"),
		}
		if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
			b.Data = strings.Repeat("x", branchBytesMax)
		}
		g.Branches = append(g.Branches, b)
	}
	return g
}

func TestEventsFollowTheirSchema(t *testing.T) {
	t.Parallel()
	one, batch := compile(t, DecisionSchema, ""), compile(t, DecisionSchema, "#/$defs/batch")
	rapid.Check(t, func(t *rapid.T) {
		var events [][]byte
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			e := AppendDecisionBy(nil, drawDecided(t), rapid.Int64Min(0).Draw(t, "epoch"))
			if err := validate(one, e); err != nil {
				t.Fatalf("%v\n%s", err, e)
			}
			events = append(events, e)
		}
		b := AppendBatch(nil, events...)
		if err := validate(batch, b); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		got, err := SplitBatch(b)
		if err != nil || len(got) != len(events) {
			t.Fatalf("%d of %d events, %v", len(got), len(events), err)
		}
		for i := range got {
			if !bytes.Equal(got[i], events[i]) {
				t.Fatalf("%s became %s", events[i], got[i])
			}
		}
	})
}

// TestSchemaRefusesWhatIsWrong: a schema that accepts everything would prove nothing.
func TestSchemaRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	one := compile(t, DecisionSchema, "")
	good := string(AppendDecision(nil, decided()))
	if err := validate(one, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new string }{
		{`"specversion":"1.0",`, ``},
		{`"specversion":"1.0"`, `"specversion":"0.3"`},
		{`decision.commit`, `decision.maybe`},
		{`decision.commit`, `decision.rollback`},
		{`"outcome":"commit"`, `"outcome":"rollback"`},
		{`"outcome":"commit",`, ``},
		{`"cause":"requested"`, `"cause":""`},
		{`"epoch":0`, `"epoch":-1`},
		{`"epoch":0`, `"epoch":"0"`},
		{`"kind":"AT"`, `"kind":"PT"`},
		{`"kind":"AT",`, ``},
		{`"id":"1152921504606846977"`, `"id":1152921504606846977`},
		{`/3"`, `"`},
		{`"time":"2023`, `"time":"20-3`},
		{`"branches":[`, `"truncated":true,"branches":[`},
		{`"branches":[`, `"href":"http://elsewhere/","branches":[`},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if bad == good {
			t.Fatalf("%q is not in %s", c.old, good)
		}
		if validate(one, []byte(bad)) == nil {
			t.Errorf("%q for %q was accepted", c.new, c.old)
		}
	}
	if !json.Valid([]byte(good)) {
		t.Error("not JSON")
	}
}

func TestSplitBatchRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{``, `{}`, `[1]`, `[null]`, `[{}`, `[{}] x`} {
		if _, err := SplitBatch([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a batch", bad)
		}
	}
}
