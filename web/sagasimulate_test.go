package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/saga/limits"
	"github.com/concord-tx/concord/saga/simulate"
)

// simulationTypes are the types behind the schemas of simulations.
func simulationTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"SagaScenario": reflect.TypeFor[simulateBody](), "SagaWeights": reflect.TypeFor[simulateWeights](),
		"SagaSimulation": reflect.TypeFor[SagaSimulation](), "SimulatedRun": reflect.TypeFor[simulate.Result](),
		"SimulatedEvent": reflect.TypeFor[simulate.Event](), "SimulatedStep": reflect.TypeFor[simulate.Step](),
		"SimulationSummary": reflect.TypeFor[simulate.Summary](), "SimulationEnd": reflect.TypeFor[simulate.RunEnd](),
		"SimulationCount": reflect.TypeFor[simulate.Count](),
	}
}

func TestSagasAreSimulated(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	if status, got, _ := s.as(t, s.operator, "POST", "/definitions", journeyText); status != 201 {
		t.Fatalf("%d %v", status, got)
	}
	outer := "saga: 1\nname: outer\nsteps:\n  - {id: go, subSaga: {saga: journey}}\n"
	ask := func(body map[string]any) (int, map[string]any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		status, got, _ := s.as(t, s.viewer, "POST", "/simulate", string(text))
		return status, got
	}
	for name, tt := range map[string]struct {
		body     map[string]any
		end, row string
	}{
		"a text":     {map[string]any{"definition": journeyText}, "done", "book pay"},
		"a version":  {map[string]any{"saga": "journey", "version": 1}, "done", "book pay"},
		"a refusal":  {map[string]any{"saga": "journey", "outcomes": map[string]any{"pay": "refused"}}, "compensated", ""},
		"a sub-saga": {map[string]any{"definition": outer}, "done", "go/book go/pay"},
		"lists, a body": {map[string]any{"saga": "journey", "outcomes": map[string]any{
			"pay": []any{"failed x2", map[string]any{"status": 200, "body": 7}},
		}}, "done", "book pay"},
	} {
		status, got := ask(tt.body)
		result, _ := got["result"].(map[string]any)
		if status != 200 || result["end"] != tt.end {
			t.Errorf("%s: %d %v", name, status, got)
			continue
		}
		var order []string
		for _, step := range result["order"].([]any) {
			order = append(order, step.(string))
		}
		if tt.row != "" && strings.Join(order, " ") != tt.row {
			t.Errorf("%s: %v", name, order)
		}
	}
	status, got := ask(map[string]any{"saga": "journey", "seed": 4, "runs": 100})
	summary, _ := got["summary"].(map[string]any)
	if status != 200 || summary["runs"] != 100.0 || summary["firstSeed"] != 4.0 || summary["badCount"] != 0.0 {
		t.Errorf("%d %v", status, got)
	}
}

func TestWhatCannotBeSimulatedIsRefused(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	if status, got, _ := s.as(t, s.operator, "POST", "/definitions", journeyText); status != 201 {
		t.Fatalf("%d %v", status, got)
	}
	for body, want := range map[string]string{
		`{}`:                                                  "400 argumentInvalid",
		`{"saga": "journey", "definition": "x"}`:              "400 argumentInvalid",
		`{"saga": "journey", "runs": 1001}`:                   "400 argumentInvalid",
		`{"saga": "journey", "horizon": "soon"}`:              "400 argumentInvalid",
		`{"saga": "journey", "weights": {"done": -1}}`:        "400 argumentInvalid",
		`{"saga": "journey", "outcome": {}}`:                  "400 argumentInvalid",
		`{"saga": "other"}`:                                   "404 sagaNotFound",
		`{"saga": "journey", "version": 9}`:                   "404 sagaNotFound",
		`{"saga": "journey", "outcomes": {"pai": "done"}}`:    `422 badScenario /outcomes/pai did you mean "pay"?`,
		`{"saga": "journey", "outcomes": {"pay": "perhaps"}}`: "422 badScenario /outcomes",
		`{"definition": "saga: 1"}`:                           "422 definitionBroken",
		`{"definition": "saga: 1\nname: x\nsteps:\n  - {id: a, subSaga: {saga: none}}\n"}`: "422 definitionBroken",
	} {
		status, got, _ := s.as(t, s.viewer, "POST", "/simulate", body)
		said := decimal(int64(status)) + " " + got["code"].(string)
		if findings, _ := got["findings"].([]any); len(findings) > 0 {
			first := findings[0].(map[string]any)
			for _, key := range []string{"path", "advice"} {
				if text, ok := first[key].(string); ok {
					said += " " + text
				}
			}
		}
		if !strings.HasPrefix(said, want) {
			t.Errorf("%s\n%s\nwant %s", body, said, want)
		}
	}
}

func TestSimulationsAreBounded(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	body := simulateBody{Runs: 1000, Definition: `
saga: 1
name: wide
steps:
  - {id: a, forEach: {in: '1..500', parallel: 500}, call: {url: http://127.0.0.1/}, readOnly: true}
`}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	scenario, err := body.scenario()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := simulateOf(ctx, s.catalog, &body, scenario); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	handle := s.server.atMost(1, problemSimulationsMany, func(*gin.Context) {
		entered <- struct{}{}
		<-leave
	})
	ask := func() (int, string) {
		w := httptest.NewRecorder()
		c, _ := gin.CreateTestContext(w)
		c.Request = httptest.NewRequest(http.MethodPost, "/", nil)
		handle(c)
		return w.Code, w.Header().Get("Retry-After")
	}
	first := make(chan int, 1)
	go func() {
		status, _ := ask()
		first <- status
	}()
	<-entered
	if status, after := ask(); status != http.StatusTooManyRequests || after != "1" {
		t.Errorf("the second: %d, again after %q", status, after)
	}
	close(leave)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first: %d", status)
	}
}

// versions has published one text, whichever is asked for.
type versions struct {
	Sagas
	text string
}

func (v versions) Get(context.Context, string, uint32) (catalog.Published, error) {
	return catalog.Published{Name: "s", Version: 1, Language: catalog.Concord, Text: v.text}, nil
}

// TestWhatWasPublishedBeforeALimitWasLoweredIsSimulated, by itself and inside of another saga; what is sent is not.
func TestWhatWasPublishedBeforeALimitWasLoweredIsSimulated(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", limits.TextBytesMax+1)
	text := "saga: 1\nname: s\ntitle: " + long + "\nsteps: [{id: a, signal: {name: a}}]"
	around := "saga: 1\nname: t\nsteps: [{id: s, subSaga: {saga: s}}]"
	for _, test := range []struct {
		body simulateBody
		ok   bool
	}{{simulateBody{Saga: "s"}, true}, {simulateBody{Definition: around}, true}, {simulateBody{Definition: text}, false}} {
		if _, err := modelOf(t.Context(), versions{text: text}, &test.body); (err == nil) != test.ok {
			t.Errorf("%.60q %q: %v", test.body.Definition, test.body.Saga, err)
		}
	}
}
