package rocketmq

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
)

func TestTagsHaveNoBlanksAndNoBars(t *testing.T) {
	t.Parallel()
	for group, want := range map[string]string{
		"": "default", "my_test_tx_group": "my_test_tx_group", "a b\tc": "a_b_c", "a||b": "a__b", "*": "_", "größe": "größe",
		strings.Repeat("ü", 100): strings.Repeat("ü", 63), "a\x01b": "a_b",
	} {
		if got := tagOf(group); got != want {
			t.Errorf("%q: %q, want %q", group, got, want)
		}
	}
}

func TestXIDsAreReadFromEvents(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]string{
		`{"specversion":"1.0","id":"10.0.0.1:8091:5/7","source":"/concord"}`:                "10.0.0.1:8091:5",
		`{"specversion":"1.0","id":"h\"x:1:5/7","subject":"h\"x:1:5"}`:                      `h"x:1:5`,
		`{"id":"10.0.0.1:8091:5/7","subject":"10.0.0.1:8091:5"}`:                            "10.0.0.1:8091:5",
		`{"specversion":"1.0","id":"` + strings.Repeat("h", 500) + `:5/1","subject":"x:5"}`: "x:5",
		`no event`: "",
	} {
		if got := xidOf([]byte(event)); got != want {
			t.Errorf("%s: %q", event, got)
		}
	}
}

func TestIDsComeFromKeysOrElseFromTheBody(t *testing.T) {
	t.Parallel()
	of := func(body string) *primitive.MessageExt {
		return &primitive.MessageExt{Message: primitive.Message{Body: []byte(body)}}
	}
	events := of(`[{"subject":"h:1:5"},{"subject":"h:1:6"}]`)
	for _, tt := range []struct{ count, keys string }{{"2", "h:1:5 h:1:6"}, {"2", "h:1:5"}, {"", ""}, {"2", "x y"}} {
		if got, err := idsOf(tt.count, tt.keys, events); err != nil || !reflect.DeepEqual(got, []int64{5, 6}) {
			t.Errorf("%+v: %v, %v", tt, got, err)
		}
	}
	for _, bad := range []string{"", "{}", `[{"subject":"nothing"}]`, `["x"]`} {
		if got, err := idsOf("1", "", of(bad)); err == nil {
			t.Errorf("%s: %v", bad, got)
		}
	}
}

func TestPropertiesNeverDelayATransactionalMessage(t *testing.T) {
	t.Parallel()
	l := &Log{opts: Options{Epoch: func() int64 { return 7 }}, name: "n"}
	p := l.newPack(laneKey{"t", "g"})
	p.entries = []orchestrator.OutboxEntry{{ID: 5, Event: []byte(`{"specversion":"1.0","id":"h:1:5/2"}`)}}
	for name := range l.properties(p) {
		if reservedProperty(name) && name != "KEYS" && name != "TAGS" {
			t.Errorf("property %s", name)
		}
	}
	for _, name := range []string{"DELAY", "TIMER_DELIVER_MS", "TIMER_DELAY_SEC", "TIMER_DELAY_MS"} {
		if !reservedProperty(name) {
			t.Errorf("%s can be set by whoever publishes", name)
		}
	}
	m := l.message(p)
	if m.GetKeys() != "h:1:5" || m.GetProperty(PropertyEpoch) != "7" || m.GetProperty("UNIQ_KEY") != "" ||
		string(m.Body) != "["+string(p.entries[0].Event)+"]" {
		t.Errorf("%s", m.MarshallProperties())
	}
}

// TestRepublishedMessageTellsWhereItsEntriesAre: whoever reads it clears each entry under the pack of its decision, and
// a pack as a whole only by its own message.
func TestRepublishedMessageTellsWhereItsEntriesAre(t *testing.T) {
	t.Parallel()
	message := func(id orchestrator.PackID, count string, entries ...orchestrator.OutboxEntry) *primitive.MessageExt {
		m := &primitive.MessageExt{}
		m.WithProperty(PropertyPack, string(id))
		m.WithProperty(PropertyCount, count)
		if from := origins(&pack{id: id, entries: entries}); from != "" {
			m.WithProperty(PropertyFrom, from)
		}
		return m
	}
	of := func(id orchestrator.PackID) orchestrator.OutboxEntry { return orchestrator.OutboxEntry{Pack: id} }
	damaged := func(from string) *primitive.MessageExt {
		m := message("q", "3")
		m.WithProperty(PropertyFrom, from)
		return m
	}
	for name, tt := range map[string]struct {
		m    *primitive.MessageExt
		n    int
		want []span
	}{
		"its own":           {message("p", "2", of("p"), of("p")), 2, []span{{"p", 2, true}}},
		"a part of its own": {message("p", "3", of("p"), of("p")), 2, []span{{"p", 2, false}}},
		"several": {
			message("q", "3", of("a.1"), of("a.1"), of("b")), 3, []span{{"a.1", 2, false}, {"b", 1, false}},
		},
		"and its own": {message("q", "2", of("a"), of("q")), 2, []span{{"a", 1, false}, {"q", 1, false}}},
		"no number":   {damaged("a"), 3, []span{{"", 3, false}}},
		"too few":     {damaged("a=1"), 3, []span{{"", 3, false}}},
		"too many":    {damaged("a=2,b=2"), 3, []span{{"", 3, false}}},
		"negative":    {damaged("a=-1,b=4"), 3, []span{{"", 3, false}}},
	} {
		if got := spansOf(tt.m, tt.n); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
