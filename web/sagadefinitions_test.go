package web

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/store/pebble"
	"github.com/concord-tx/concord/web/journal"
)

// definitionTypes are the types behind the schemas of definitions of sagas.
func definitionTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"SagaReview": reflect.TypeFor[SagaReview](), "SagaFinding": reflect.TypeFor[definition.Finding](),
		"SagaExplored": reflect.TypeFor[SagaExplored](), "SagaFailure": reflect.TypeFor[SagaFailure](),
		"SagaVersion": reflect.TypeFor[SagaVersion](), "SagaPublication": reflect.TypeFor[SagaPublication](),
		"SagaStep": reflect.TypeFor[catalog.Step](), "SagaService": reflect.TypeFor[catalog.Service](),
		"SagaDraft":       reflect.TypeFor[SagaDraft](),
		"SagaDraftReview": reflect.TypeFor[SagaDraftReview](), "SagaProblem": reflect.TypeFor[SagaProblem](),
	}
}

const journeyText = `# a comment that is kept
saga: 1
name: journey
title: A journey
steps:
  - {id: book, call: {url: http://127.0.0.1/book}, compensate: {call: {url: http://127.0.0.1/undo}}}
  - {id: pay, call: {url: http://127.0.0.1/pay}, pivot: true}
`

// sagaRig is a server with keys, a journal, and definitions in a real store.
type sagaRig struct {
	*guardedRig
	catalog  *catalog.Catalog
	operator string
	viewer   string
}

func withCatalog(t *testing.T) *sagaRig {
	t.Helper()
	o := pebble.DefaultOptions()
	o.FS, o.DiskReserveBytes, o.CacheBytes, o.MemTableBytes = vfs.NewMem(), 0, 1<<20, 1<<20
	o.Fatal = func(err error) { t.Error(err) }
	store, err := pebble.Open(t.Context(), "data", o)
	if err != nil {
		t.Fatal(err)
	}
	s := &sagaRig{catalog: catalog.New(catalog.Options{Documents: store})}
	t.Cleanup(func() {
		s.catalog.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s.guardedRig = guarded(t, func(o *Options) { o.Sagas, o.BodyBytesMax = s.catalog, 1<<20 })
	s.operator, s.viewer = s.withRoles(t, "operator"), s.withRoles(t, "viewer")
	return s
}

// as asks with a token.
func (s *sagaRig) as(
	t *testing.T, token, method, path, body string, headers ...string,
) (int, map[string]any, http.Header) {
	t.Helper()
	return s.do(t, method, "/api/v1/sagas"+path, body, append(headers, "Authorization", token)...)
}

func TestDefinitionsArePublished(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	status, got, _ := s.as(t, s.viewer, "POST", "/review", journeyText)
	if status != 200 || got["sound"] != true || got["name"] != "journey" || got["language"] != "concord" ||
		got["explored"].(map[string]any)["exhaustive"] != true {
		t.Fatalf("%d %v", status, got)
	}
	if status, got, _ = s.as(t, s.operator, "GET", "/definitions/journey", ""); status != 404 ||
		got["code"] != "sagaNotFound" {
		t.Errorf("a review has stored something: %d %v", status, got)
	}
	status, got, header := s.as(t, s.operator, "POST", "/definitions?note=the+first", journeyText,
		"Content-Type", "application/yaml")
	if status != 201 || got["version"] != 1.0 || got["by"] != "key operator" || got["note"] != "the first" ||
		got["title"] != "A journey" || header.Get("Location") != "/api/v1/sagas/definitions/journey/versions/1" {
		t.Fatalf("%d %v %v", status, got, header)
	}
	status, again, _ := s.as(t, s.operator, "POST", "/definitions?note=another", "# the same\n"+journeyText)
	if status != 200 || again["version"] != 1.0 || again["note"] != "the first" || again["digest"] != got["digest"] {
		t.Errorf("%d %v", status, again)
	}
	second := strings.Replace(journeyText, "/pay", "/pay2", 1)
	if status, got, _ = s.as(t, s.operator, "POST", "/definitions", second); status != 201 || got["version"] != 2.0 {
		t.Errorf("%d %v", status, got)
	}
	for path, want := range map[string]string{
		"/definitions/journey": second, "/definitions/journey/versions/1": journeyText,
		"/definitions/journey/versions/2": second,
	} {
		status, got, _ = s.as(t, s.viewer, "GET", path, "")
		if status != 200 || got["text"] != want {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	steps := []any{
		map[string]any{
			"id": "book", "kind": "call", "target": "POST http://127.0.0.1/book", "after": []any{},
			"onRefused": "compensate", "compensate": "call",
		},
		map[string]any{
			"id": "pay", "kind": "call", "target": "POST http://127.0.0.1/pay2", "after": []any{"book"},
			"onRefused": "compensate", "pivot": true,
		},
	}
	if diff := cmp.Diff(steps, got["steps"]); diff != "" && got["version"] == 2.0 {
		t.Error(diff)
	}
	for path, want := range map[string]int{
		"/definitions/journey/versions/3": 404, "/definitions/other": 404, "/definitions/other/versions": 404,
		"/definitions/journey/versions/0": 400, "/definitions/journey/versions/x": 400, "/definitions/%20": 404,
		"/definitions?x=1": 400, "/definitions/journey/versions?cursor=99999999999": 400,
		"/definitions/journey/versions/99999999999": 400,
	} {
		if status, got, _ := s.as(t, s.viewer, "GET", path, ""); status != want {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
}

func TestVersionsAndSagasAreListed(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	for _, name := range []string{"b", "a", "a-b", "ab"} {
		for n := range 3 {
			text := strings.Replace(journeyText, "name: journey", "name: "+name, 1)
			text = strings.Replace(text, "/pay", fmt.Sprint("/pay", n), 1)
			if status, got, _ := s.as(t, s.operator, "POST", "/definitions", text); status != 201 {
				t.Fatalf("%d %v", status, got)
			}
		}
	}
	list := func(path string) string {
		var all []string
		for cursor := ""; ; {
			status, got, _ := s.as(t, s.viewer, "GET", path+cursor, "")
			if status != 200 {
				t.Fatalf("%d %v", status, got)
			}
			for _, item := range got["items"].([]any) {
				item := item.(map[string]any)
				all = append(all, fmt.Sprint(item["name"], item["version"]))
				if item["text"] != nil || item["steps"] != nil {
					t.Errorf("a list has texts: %v", item)
				}
			}
			if got["next"] == nil {
				return strings.Join(all, " ")
			}
			cursor = fmt.Sprint("&cursor=", got["next"])
		}
	}
	for path, want := range map[string]string{
		"/definitions?limit=1":            "a-b3 a3 ab3 b3",
		"/definitions?limit=3":            "a-b3 a3 ab3 b3",
		"/definitions?limit=4":            "a-b3 a3 ab3 b3",
		"/definitions?prefix=a&limit=2":   "a-b3 a3 ab3",
		"/definitions?prefix=ab":          "ab3",
		"/definitions?prefix=c":           "",
		"/definitions?prefix=a%2F0":       "",
		"/definitions/a/versions?limit=2": "a3 a2 a1",
		"/definitions/a/versions?limit=1": "a3 a2 a1",
	} {
		if got := list(path); got != want {
			t.Errorf("%s: %q, not %q", path, got, want)
		}
	}
}

func TestWhatIsNotSoundIsNotPublished(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	undone := `call: {url: http://127.0.0.1/undo}`
	lost := strings.Replace(journeyText, undone, `call: {url: "http://127.0.0.1/undo/${output.id}"}`, 1)
	for name, tt := range map[string]struct{ text, rule, failure string }{
		"a key too many":  {journeyText + "stepz: []\n", "unknown-key", ""},
		"no compensation": {strings.Replace(journeyText, ", compensate: {"+undone+"}", "", 1), "no-compensation", ""},
		"unknown saga":    {journeyText + "  - {id: sub, subSaga: {saga: nowhere}}\n", "unknown-saga", ""},
		"a bad end":       {lost, "", "nobody knows whether it has run"},
	} {
		status, got, _ := s.as(t, s.operator, "POST", "/definitions", tt.text)
		if status != 422 || got["code"] != "unsound" || got["requestId"] == "" || got["type"] == "" {
			t.Errorf("%s: %d %v", name, status, got)
			continue
		}
		text := fmt.Sprint(got["findings"], got["explored"])
		if !strings.Contains(text, tt.rule) || !strings.Contains(text, tt.failure) {
			t.Errorf("%s: %s", name, text)
		}
		status, review, _ := s.as(t, s.viewer, "POST", "/review", tt.text)
		if status != 200 || review["sound"] != false || fmt.Sprint(review["findings"], review["explored"]) != text {
			t.Errorf("%s: the review is another one: %d %v", name, status, review)
		}
	}
	if _, got, _ := s.as(t, s.viewer, "GET", "/definitions", ""); len(got["items"].([]any)) > 0 {
		t.Error(got)
	}
}

func TestPublishingIsInTheJournalAndNeedsAnOperator(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	for _, path := range []string{"/definitions", "/drafts/journey/publish"} {
		if status, got, _ := s.as(t, s.viewer, "POST", path, journeyText); status != 403 || got["code"] != "roleMissing" {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	if status, got, _ := s.as(t, s.viewer, "PUT", "/drafts/journey", journeyText); status != 403 {
		t.Errorf("%d %v", status, got)
	}
	s.as(t, s.operator, "POST", "/definitions", journeyText)
	s.as(t, s.operator, "POST", "/definitions", "saga: 1\nname: journey\n")
	page, err := s.journal.List(t.Context(), journal.Query{Action: "saga.publish"})
	if err != nil {
		t.Fatal(err)
	}
	var phases []string
	for _, e := range page.Items {
		phases = append(phases, fmt.Sprint(e.Phase, e.Status, e.Code, e.Target))
		if e.Phase == journal.Outcome && e.Status == 201 && !strings.Contains(string(e.After), `"version":1`) {
			t.Errorf("what was published is not shown: %s", e.After)
		}
		if strings.Contains(string(e.After), "a comment that is kept") {
			t.Error("the text is in the journal")
		}
	}
	if len(phases) != 4 || !strings.Contains(strings.Join(phases, " "), "201journey") ||
		!strings.Contains(strings.Join(phases, " "), "422unsoundjourney") {
		t.Errorf("%q", phases)
	}
}

func TestHostileDefinitionsAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	bomb := "saga: 1\nname: x\na: &a [1,1,1,1,1,1,1,1,1]\n"
	for n := range 9 {
		list := strings.Repeat(fmt.Sprintf("*%c,", 'a'+n), 9)
		bomb += fmt.Sprintf("%c: &%c [%s]\n", 'b'+n, 'b'+n, strings.TrimSuffix(list, ","))
	}
	for name, text := range map[string]string{
		"nothing":         "",
		"deep lists":      "saga: 1\nsteps: " + strings.Repeat("[", 200_000),
		"deep maps":       strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
		"deep by indents": deepYAML(1000),
		"aliases":         bomb,
		"no text":         "saga: 1\nname: \xff\xfe\x00",
		"zero bytes":      strings.Repeat("\x00", 1000),
		"many documents":  strings.Repeat("---\nsaga: 1\n", 50_000),
		"many keys":       manyKeys(100_000),
		"one long scalar": "saga: 1\nname: " + strings.Repeat("x", 1<<20-100),
		"long expression": "saga: 1\nname: x\nsteps:\n- {id: a, when: '" + strings.Repeat("(", 4000) +
			"', timer: {for: 1s}}\n",
		"tags":             "!!binary saga: !!python/object x\n",
		"merge":            "saga: 1\n<<: {name: x}\n",
		"a number":         "1e999999",
		"another language": `{"Name":"x","States":{}}`,
	} {
		from := time.Now()
		status, got, _ := s.as(t, s.operator, "POST", "/definitions", text)
		if status != 422 || got["code"] != "unsound" || len(got["findings"].([]any)) == 0 {
			t.Errorf("%s: %d %.300v", name, status, got)
		}
		if took := time.Since(from); took > answerWait { // a second at most, on an idle machine
			t.Errorf("%s: it took %s", name, took)
		}
	}
	for _, path := range []string{"/definitions", "/review"} {
		if status, got, _ := s.as(t, s.operator, "POST", path, strings.Repeat("# \n", 1<<20)); status != 413 ||
			got["code"] != "requestTooLarge" {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	large := journeyText + "#" + strings.Repeat("x", limits.DocumentBytesMax-len(journeyText)-2) + "\n"
	if status, got, _ := s.as(t, s.operator, "POST", "/definitions", large); status != 201 {
		t.Errorf("a definition as large as it may be: %d %v", status, got)
	}
	if _, got, _ := s.as(t, s.viewer, "GET", "/definitions/journey", ""); got["text"] != large {
		t.Error("the text is another one")
	}
}

func deepYAML(deep int) string {
	var b strings.Builder
	for n := range deep {
		b.WriteString(strings.Repeat(" ", n) + "a:\n")
	}
	return b.String()
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

func TestWithoutSagasThereAreNone(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	if status, got, _ := r.do(t, "GET", "/api/v1/sagas/definitions", ""); status != 409 || got["code"] != "sagasMissing" {
		t.Errorf("%d %v", status, got)
	}
}

// failing are definitions in a store that is away.
type failing struct{ Sagas }

func (failing) Review(context.Context, []byte) (r catalog.Review, err error) {
	return r, orchestrator.ErrUnavailable
}

func (failing) Publish(context.Context, []byte, string, string) (
	p catalog.Published, r catalog.Review, fresh bool, err error,
) {
	return p, r, false, orchestrator.ErrUnavailable
}

func (failing) Get(context.Context, string, uint32) (p catalog.Published, err error) {
	return p, orchestrator.ErrUnavailable
}

func (failing) List(context.Context, string, string, int) ([]catalog.Published, error) {
	return nil, orchestrator.ErrUnavailable
}

func (failing) Versions(context.Context, string, uint32, int) ([]catalog.Published, error) {
	return nil, orchestrator.ErrUnavailable
}

func (failing) Draft(context.Context, string) (d catalog.Draft, err error) {
	return d, orchestrator.ErrUnavailable
}

func (failing) Drafts(context.Context, string, string, int) ([]catalog.Draft, error) {
	return nil, orchestrator.ErrUnavailable
}

// TestManyPublishAtOnce: each that is told of a version is the one that made it, and there are no gaps.
func TestManyPublishAtOnce(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	const people = 8
	var group sync.WaitGroup
	var mu sync.Mutex
	made, late := map[float64]string{}, 0
	for n := range people {
		text := strings.Replace(journeyText, "/pay", fmt.Sprint("/pay", n), 1)
		group.Go(func() {
			status, got, _ := s.as(t, s.operator, "POST", "/definitions", text)
			mu.Lock()
			defer mu.Unlock()
			switch version, _ := got["version"].(float64); {
			case status == 201 && made[version] == "":
				made[version] = text
			case status == 409 && got["code"] == "conflict" && got["retryable"] == true:
				late++
			default:
				t.Errorf("%d %v", status, got)
			}
		})
	}
	group.Wait()
	if len(made)+late != people || len(made) < 2 {
		t.Errorf("%d versions, %d were too late", len(made), late)
	}
	for version := 1.0; version <= float64(len(made)); version++ {
		_, got, _ := s.as(t, s.viewer, "GET", fmt.Sprint("/definitions/journey/versions/", version), "")
		if got["text"] != made[version] || made[version] == "" {
			t.Errorf("version %v is another one than who made it was told", version)
		}
	}
}

// racing are definitions that others publish at the same time, once.
type racing struct {
	Sagas
	lost bool
}

func (r *racing) Publish(ctx context.Context, text []byte, by, note string) (
	p catalog.Published, review catalog.Review, fresh bool, err error,
) {
	if !r.lost {
		r.lost = true
		return p, review, false, orchestrator.ErrConflict
	}
	return r.Sagas.Publish(ctx, text, by, note)
}

// TestTryAgainIsNotStored: whoever is told to try again is not told the same for a day.
func TestTryAgainIsNotStored(t *testing.T) {
	t.Parallel()
	r := withRuns(t, func(o *Options) { o.Sagas = &racing{Sagas: o.Sagas} })
	text := strings.ReplaceAll(heldText, "HOST", r.p.URL)
	for _, want := range []int{409, 201, 201} {
		status, got := r.post(t, "/api/v1/sagas/definitions", text, idempotencyHeader, "k")
		if status != want {
			t.Errorf("%d %v", status, got)
		}
	}
}

// TestAReviewSaysWhichPartWasExplored if not all was.
func TestAReviewSaysWhichPartWasExplored(t *testing.T) {
	t.Parallel()
	for _, r := range []explore.Report{{Exhaustive: true}, {Troubles: -1}, {Troubles: 1}} {
		want := r.Part()
		if r.Exhaustive {
			want = ""
		}
		if e := viewReview(&catalog.Review{Report: &r}).Explored; e.Part != want || e.Exhaustive != r.Exhaustive {
			t.Errorf("%+v of %+v", e, r)
		}
	}
}

// TestAReviewSaysAtHowManyEventsCrashesWereTried if not at all of them.
func TestAReviewSaysAtHowManyEventsCrashesWereTried(t *testing.T) {
	t.Parallel()
	for tried, want := range map[int]*SagaCrashes{7: nil, 3: {3, 7}} {
		r := explore.Report{Exhaustive: true, Crashes: tried, CrashesOf: 7}
		got := viewReview(&catalog.Review{Report: &r}).Explored.Crashes
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%d of 7: %+v", tried, got)
		}
	}
}
