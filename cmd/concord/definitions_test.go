package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const parcelText = `# what is said here is kept
saga: 1
name: parcel
steps:
  - {id: pick, call: {url: "http://127.0.0.1/pick"}, compensate: {call: {url: "http://127.0.0.1/unpick"}}}
  - {id: send, subSaga: {saga: sending}}
`

const sendingText = `
saga: 1
name: sending
steps:
  - {id: label, call: {url: "http://127.0.0.1/label"}, compensate: {call: {url: "http://127.0.0.1/void"}}}
`

// definitionFile writes a definition into a file.
func definitionFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// publishParcel publishes two sagas, and a second version of one.
func publishParcel(t *testing.T, p *process) {
	t.Helper()
	parcel, sending := definitionFile(t, "parcel.yaml", parcelText), definitionFile(t, "sending.yaml", sendingText)
	contains(t, p.ok("saga", "publish", parcel, sending, "--note", "the first"),
		"parcel version 1 is published", "sending version 1 is published")
	again := definitionFile(t, "sending.yaml", strings.Replace(sendingText, "/label", "/label2", 1))
	contains(t, p.ok("saga", "publish", again), "sending version 2 is published")
	contains(t, p.ok("saga", "publish", again), "nothing new")
	far := strings.NewReplacer("sending", "far", "127.0.0.1", "far.example").Replace(sendingText)
	contains(t, p.ok("saga", "publish", definitionFile(t, "far.yaml", far)), "warning", "closed-target", "callback.allow",
		"far version 1 is published")
	contains(t, p.ok("saga", "draft", "put", parcel), "stored")
}

// seesParcel looks for what publishParcel has left.
func seesParcel(t *testing.T, p *process) {
	t.Helper()
	contains(t, p.ok("saga", "list"), "parcel", "sending", "2")
	if text := p.ok("saga", "show", "parcel", "--text"); text != parcelText {
		t.Errorf("the text is another one: %s", text)
	}
	contains(t, p.ok("saga", "show", "parcel"), "sending version 1", "the first")
	contains(t, p.ok("saga", "show", "sending@1", "--text"), "/label\"")
	contains(t, p.ok("saga", "show", "sending", "--text"), "/label2\"")
	contains(t, p.ok("saga", "draft", "list"), "parcel")
}

func TestWhatIsPublishedSurvivesAKill(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, data, "--dev")
	publishParcel(t, p)
	seesParcel(t, p)
	_, journal := p.get("/api/v1/journal?action=saga.publish")
	contains(t, journal, `"target":"parcel"`, `"note":"the first"`)
	p.kill()
	p = start(t, data, "--dev")
	seesParcel(t, p)
	contains(t, p.ok("saga", "draft", "publish", "parcel"), "parcel version 2 is published")
	contains(t, p.ok("saga", "show", "parcel"), "sending version 2")
	contains(t, p.ok("saga", "draft", "list"), "no draft")
}

func TestTheDefaultDeadlineIsASetting(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--dev", "--saga-deadline", "2h")
	text := "saga: 1\nname: wait\nsteps:\n  - {id: go, signal: {name: go}}\n"
	p.ok("saga", "publish", definitionFile(t, "wait.yaml", text))
	p.ok("saga", "start", "wait", "--key", "k")
	_, body := p.get("/api/v1/sagas/runs?saga=wait")
	var page struct {
		Items []struct{ BeganAt, DeadlineAt time.Time }
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Items) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	if r := page.Items[0]; r.DeadlineAt.Sub(r.BeganAt) != 2*time.Hour {
		t.Errorf("%+v", r)
	}
}
