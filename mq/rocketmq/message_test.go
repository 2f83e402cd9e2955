package rocketmq

import (
	"reflect"
	"strings"
	"testing"

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
	events := []byte(`[{"subject":"h:1:5"},{"subject":"h:1:6"}]`)
	for _, tt := range []struct{ count, keys string }{{"2", "h:1:5 h:1:6"}, {"2", "h:1:5"}, {"", ""}, {"2", "x y"}} {
		if got, err := idsOf(tt.count, tt.keys, events); err != nil || !reflect.DeepEqual(got, []int64{5, 6}) {
			t.Errorf("%+v: %v, %v", tt, got, err)
		}
	}
	for _, bad := range []string{"", "{}", `[{"subject":"nothing"}]`, `["x"]`} {
		if got, err := idsOf("1", "", []byte(bad)); err == nil {
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
