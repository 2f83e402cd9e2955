package outbox

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnEventIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 15, 4, 5, 678e6, time.UTC)
	for _, e := range []Event{
		{ID: "1", Type: "a", Source: "/s"},
		{
			ID: "2", Type: "a", Source: "/s", Key: "k", Subject: "order 7", Time: at, Traceparent: "00-1",
			Data: []byte(`{"n":1}`),
		},
		{ID: "3", Type: "a", Source: "/s", ContentType: "application/vnd.shop+json; charset=utf-8", Data: []byte(`[1]`)},
		{ID: "4", Type: "a", Source: "/s", ContentType: "application/octet-stream", Data: []byte{0, 255, 1}},
		{ID: "5", Type: "a", Source: "/s", ContentType: "text/plain", Data: []byte("text")},
	} {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{string(text), " [" + string(text) + "]\n"} {
			got, err := Decode([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Event{e}, got); diff != "" {
				t.Errorf("%s: %s", e.ID, diff)
			}
		}
	}
}

// TestTheMessageOfATopicBranchIsTheEventInIt looks at both kinds of branches: those of an outbox and others.
func TestTheMessageOfATopicBranchIsTheEventInIt(t *testing.T) {
	t.Parallel()
	read := func(payload string) Event {
		data, err := json.Marshal(map[string]string{"topic": "orders", "payload": payload})
		if err != nil {
			t.Fatal(err)
		}
		all, err := Decode([]byte(`[{"specversion":"1.0","id":"x:1:7/b8","source":"/concord","type":"` + branchType +
			`","datacontenttype":"application/json","data":` + string(data) + `}]`))
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	if e := read(`{"specversion":"1.0","id":"e1","source":"/shop","type":"placed","partitionkey":"k"}`); e.ID != "e1" ||
		e.Type != "placed" || e.Key != "k" || e.Topic != "orders" {
		t.Errorf("%+v", e)
	}
	for _, payload := range []string{`{"sku":7}`, "text", `{"type":"` + branchType + `","id":"1","specversion":"1.0"}`} {
		if e := read(payload); e.ID != "x:1:7/b8" || e.Type != branchType || !strings.Contains(string(e.Data), "payload") {
			t.Errorf("%s: %+v", payload, e)
		}
	}
}

func TestWhatIsNoEventIsRefused(t *testing.T) {
	t.Parallel()
	good := Event{ID: "1", Topic: "orders", Type: "a", Source: "/s"}
	for name, change := range map[string]func(*Event){
		"no topic":        func(e *Event) { e.Topic = "" },
		"a topic's name":  func(e *Event) { e.Topic = "a b" },
		"no type":         func(e *Event) { e.Type = "" },
		"a long id":       func(e *Event) { e.ID = strings.Repeat("x", 201) },
		"a long key":      func(e *Event) { e.Key = strings.Repeat("x", 201) },
		"data is no JSON": func(e *Event) { e.Data = []byte("text") },
	} {
		e := good
		change(&e)
		if _, _, err := New("/s").insert([]Event{e}, time.Now(), ""); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	query, args, err := New("/shop").insert([]Event{{Topic: "t", Type: "a"}, good}, time.Now(), "00-trace")
	if err != nil || strings.Count(query, "UTC_TIMESTAMP") != 2 || len(args) != 8 || len(args[0].(string)) < 20 ||
		!strings.Contains(string(args[3].([]byte)), "00-trace") {
		t.Errorf("%s %v %v", query, args, err)
	}
	for _, body := range []string{"", "{}", "[1]", `{"specversion":"1.0"}`, "text"} {
		if all, err := Decode([]byte(body)); err == nil {
			t.Errorf("%q is %+v", body, all)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`[{"specversion":"1.0","id":"1","source":"/","type":"` + branchType + `","data":{"payload":"{}"}}]`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","type":"a","datacontenttype":"text/plain","data":"x","data_base64":"AA=="}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := Decode(body)
		for _, e := range all {
			if err == nil && (e.ID == "" || e.Type == "") {
				t.Errorf("%+v", e)
			}
		}
	})
}
