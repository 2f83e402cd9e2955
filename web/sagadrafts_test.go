package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/limits"
)

func TestADraftIsReplacedByWhoHasSeenIt(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	broken := strings.Replace(journeyText, "steps:", "stepz:", 1)
	status, got, header := s.as(t, s.operator, "PUT", "/drafts/journey", broken)
	first := header.Get("ETag")
	if status != 201 || got["version"] != 1.0 || got["sound"] != false || len(got["findings"].([]any)) == 0 ||
		first == "" || got["etag"] != first || header.Get("Location") != "/api/v1/sagas/drafts/journey" {
		t.Fatalf("%d %v %v", status, got, header)
	}
	status, got, header = s.as(t, s.viewer, "GET", "/drafts/journey", "")
	if status != 200 || got["text"] != broken || got["by"] != "key operator" || header.Get("ETag") != first {
		t.Errorf("%d %v %v", status, got, header)
	}
	for name, tt := range map[string]struct {
		headers []string
		status  int
		code    string
	}{
		"without":           {nil, 428, "ifMatchMissing"},
		"another one":       {[]string{"If-Match", `"1-000000000000"`}, 412, "draftChanged"},
		"only if there":     {[]string{"If-None-Match", "*"}, 412, "draftChanged"},
		"not understood":    {[]string{"If-None-Match", first}, 400, "argumentInvalid"},
		"for another draft": {[]string{"If-Match", strings.Replace(first, "1-", "2-", 1)}, 412, "draftChanged"},
	} {
		status, got, _ := s.as(t, s.operator, "PUT", "/drafts/journey", journeyText, tt.headers...)
		if status != tt.status || got["code"] != tt.code {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	status, got, header = s.as(t, s.operator, "PUT", "/drafts/journey", journeyText, "If-Match", `"x", `+first)
	second := header.Get("ETag")
	if status != 200 || got["version"] != 2.0 || got["sound"] != true || second == first {
		t.Errorf("%d %v %v", status, got, header)
	}
	if status, got, _ = s.as(t, s.operator, "DELETE", "/drafts/journey", "", "If-Match", first); status != 412 {
		t.Errorf("%d %v", status, got)
	}
	if status, got, _ = s.as(t, s.operator, "DELETE", "/drafts/journey", ""); status != 200 || got["etag"] != second {
		t.Errorf("%d %v", status, got)
	}
	status, got, _ = s.as(t, s.operator, "GET", "/drafts/journey", "")
	if status != 404 || got["code"] != "draftNotFound" {
		t.Errorf("%d %v", status, got)
	}
	if status, _, _ = s.as(t, s.operator, "PUT", "/drafts/journey", broken, "If-Match", second); status != 412 {
		t.Errorf("a draft that is gone was replaced: %d", status)
	}
	if status, _, _ = s.as(t, s.operator, "DELETE", "/drafts/journey", ""); status != 404 {
		t.Error(status)
	}
	again, _, header := s.as(t, s.operator, "PUT", "/drafts/journey", journeyText, "If-None-Match", "*")
	if again != 201 || header.Get("ETag") == first {
		t.Errorf("a draft that was made again has the tag of the first: %d %v", again, header)
	}
}

func TestDraftsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	for name, tt := range map[string]struct {
		path, text string
		status     int
		code       string
	}{
		"no UTF-8":      {"/drafts/x", "\xff", 400, "argumentInvalid"},
		"a space":       {"/drafts/a%20b", "x", 400, "argumentInvalid"},
		"a long name":   {"/drafts/" + strings.Repeat("x", 129), "x", 400, "argumentInvalid"},
		"too large":     {"/drafts/x", strings.Repeat("x", limits.DocumentBytesMax+1), 413, "requestTooLarge"},
		"just too much": {"/drafts/x", strings.Repeat("x", limits.DraftBytesMax+1), 413, "requestTooLarge"},
		"a parameter":   {"/drafts/x?y=1", "x", 400, "argumentInvalid"},
	} {
		if status, got, _ := s.as(t, s.operator, "PUT", tt.path, tt.text); status != tt.status || got["code"] != tt.code {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	if _, got, _ := s.as(t, s.viewer, "GET", "/drafts", ""); len(got["items"].([]any)) > 0 {
		t.Error(got)
	}
	longest := "/drafts/" + strings.Repeat("x", limits.PublishedNameBytesMax)
	if status, got, _ := s.as(t, s.operator, "PUT", longest, strings.Repeat("\n", limits.DraftBytesMax)); status != 201 {
		t.Errorf("as much as there may be: %d %v", status, got["code"])
	}
}

func TestDraftsAreListed(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	for n := range 5 {
		if status, got, _ := s.as(t, s.operator, "PUT", fmt.Sprint("/drafts/d", n), "x"); status != 201 {
			t.Fatalf("%d %v", status, got)
		}
	}
	var names []string
	for cursor := ""; ; {
		_, got, _ := s.as(t, s.viewer, "GET", "/drafts?prefix=d&limit=2"+cursor, "")
		for _, item := range got["items"].([]any) {
			item := item.(map[string]any)
			names = append(names, fmt.Sprint(item["name"]))
			if item["text"] != nil || item["bytes"] != 1.0 {
				t.Error(item)
			}
		}
		if got["next"] == nil {
			break
		}
		cursor = fmt.Sprint("&cursor=", got["next"])
	}
	if got := strings.Join(names, " "); got != "d0 d1 d2 d3 d4" {
		t.Error(got)
	}
}

func TestADraftIsPublished(t *testing.T) {
	t.Parallel()
	s := withCatalog(t)
	if status, got, _ := s.as(t, s.operator, "POST", "/drafts/journey/publish", ""); status != 404 ||
		got["code"] != "draftNotFound" {
		t.Errorf("%d %v", status, got)
	}
	status, got, _ := s.as(t, s.operator, "PUT", "/drafts/trip", journeyText)
	if status != 201 || got["sound"] != false || !strings.Contains(fmt.Sprint(got["findings"]), `is called "trip"`) {
		t.Errorf("a draft of another name: %d %v", status, got)
	}
	status, got, _ = s.as(t, s.operator, "POST", "/drafts/trip/publish", "")
	if status != 422 || got["code"] != "unsound" {
		t.Errorf("%d %v", status, got)
	}
	_, _, header := s.as(t, s.operator, "PUT", "/drafts/journey", journeyText)
	status, got, _ = s.as(t, s.operator, "POST", "/drafts/journey/publish?note=x", "", "If-Match", `"7-0"`)
	if status != 412 {
		t.Errorf("%d %v", status, got)
	}
	status, got, _ = s.as(t, s.operator, "POST", "/drafts/journey/publish?note=x", "", "If-Match", header.Get("ETag"))
	if status != 201 || got["version"] != 1.0 || got["note"] != "x" || got["draftKept"] != nil {
		t.Errorf("%d %v", status, got)
	}
	if _, got, _ = s.as(t, s.viewer, "GET", "/drafts", ""); fmt.Sprint(got["items"]) == "[]" ||
		strings.Contains(fmt.Sprint(got["items"]), "journey") {
		t.Error(got)
	}
	if _, got, _ = s.as(t, s.viewer, "GET", "/definitions/journey", ""); got["text"] != journeyText {
		t.Error(got)
	}
}

func TestFaultsOfTheStoreAreNotTheDefinitions(t *testing.T) {
	t.Parallel()
	r := setup(t, func(o *Options) { o.Sagas, o.BodyBytesMax = failing{}, 1<<20 })
	for _, request := range []string{
		"POST /definitions", "GET /definitions", "GET /definitions/x", "GET /definitions/x/versions", "GET /drafts",
		"GET /drafts/x", "PUT /drafts/x", "DELETE /drafts/x", "POST /drafts/x/publish", "POST /review",
	} {
		method, path, _ := strings.Cut(request, " ")
		status, got, _ := r.do(t, method, "/api/v1/sagas"+path, journeyText)
		if status != 503 || got["code"] != string(orchestrator.CodeUnavailable) {
			t.Errorf("%s: %d %v", request, status, got)
		}
	}
}
