package web

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/knadh/koanf/parsers/yaml"
)

// pathParameter is how a route names a part of its path that varies.
var pathParameter = regexp.MustCompile(`:(\w+)`)

func TestRoutesAndOpenAPIAgree(t *testing.T) {
	t.Parallel()
	doc, err := yaml.Parser().Unmarshal(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, item := range doc["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if method == "parameters" {
				continue // of all methods
			}
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	var served []string
	for _, r := range setup(t, nil).server.engine.Routes() {
		path := pathParameter.ReplaceAllString(r.Path, "{$1}")
		served = append(served, r.Method+" "+path)
	}
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("described (-) and served (+) differ:\n%s", diff)
	}
}

func TestSchemasAndTypesAgree(t *testing.T) {
	t.Parallel()
	doc, err := yaml.Parser().Unmarshal(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	types := map[string]reflect.Type{
		"Version": reflect.TypeFor[Version](), "Readiness": reflect.TypeFor[readiness](),
		"Reason": reflect.TypeFor[Reason](), "Transaction": reflect.TypeFor[Transaction](),
		"TransactionDetail": reflect.TypeFor[TransactionDetail](), "Branch": reflect.TypeFor[Branch](),
		"HeldLock": reflect.TypeFor[HeldLock](), "Lock": reflect.TypeFor[Lock](), "Wait": reflect.TypeFor[Wait](),
		"HistoryEntry": reflect.TypeFor[HistoryEntry](), "Session": reflect.TypeFor[SessionView](),
		"Node":          reflect.TypeFor[NodeView](),
		"Setting":       reflect.TypeFor[SettingView](),
		"SettingChange": reflect.TypeFor[settingBody](),
		"Decide":        reflect.TypeFor[decideBody](), "Problem": reflect.TypeFor[Problem](),
		"PlanRequest": reflect.TypeFor[planBody](), "Operation": reflect.TypeFor[operationBody](),
		"Plan": reflect.TypeFor[PlanView](), "PlannedCall": reflect.TypeFor[PlannedCall](),
		"PlannedRelease": reflect.TypeFor[PlannedRelease](), "PlannedMessage": reflect.TypeFor[PlannedMessage](),
		"Job": reflect.TypeFor[Job](), "JobFilter": reflect.TypeFor[JobFilter](), "JobItem": reflect.TypeFor[JobItem](),
		"JobRequest": reflect.TypeFor[jobBody](), "JobStart": reflect.TypeFor[startBody](),
		"Retry": reflect.TypeFor[retryBody](), "Message": reflect.TypeFor[messageBody](),
		"MessageCheck": reflect.TypeFor[checkBody](), "Delivery": reflect.TypeFor[deliveryBody](),
		"Begin": reflect.TypeFor[beginBody](), "BranchRegistration": reflect.TypeFor[branchBody](),
		"BranchReport": reflect.TypeFor[reportBody](), "EventGroup": reflect.TypeFor[EventGroup](),
		"EventSubscription": reflect.TypeFor[groupBody](), "EventEntry": reflect.TypeFor[EventEntry](),
		"EventDelivery": reflect.TypeFor[EventDelivery](), "EventLetter": reflect.TypeFor[EventLetter](),
		"LetterGroup": reflect.TypeFor[LetterGroup](), "LetterOrigin": reflect.TypeFor[LetterOrigin](),
		"LetterReason": reflect.TypeFor[letterBody](),
		"EventAnswers": reflect.TypeFor[answersBody](), "EventSeek": reflect.TypeFor[seekBody](),
	}
	maps.Copy(types, accessTypes())
	maps.Copy(types, viewTypes())
	maps.Copy(types, taskTypes())
	maps.Copy(types, definitionTypes())
	maps.Copy(types, simulationTypes())
	maps.Copy(types, moveTypes())
	maps.Copy(types, runTypes())
	for name, schema := range schemas {
		properties, isObject := schema.(map[string]any)["properties"].(map[string]any)
		if !isObject {
			continue
		}
		var described []string
		for property := range properties {
			described = append(described, property)
		}
		slices.Sort(described)
		if types[name] == nil {
			t.Errorf("schema %s has no type here", name)
			continue
		}
		shown := jsonNames(types[name])
		if diff := cmp.Diff(described, shown); diff != "" {
			t.Errorf("schema %s (-) and its type (+) differ:\n%s", name, diff)
		}
	}
}

func jsonNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			names = append(names, jsonNames(f.Type)...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names) // a field hides what is embedded
}
