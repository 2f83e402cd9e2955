package web

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

func docsHTML(t *testing.T) (*rig, string) {
	t.Helper()
	r := setup(t, func(o *Options) { o.Dev = false })
	w := r.raw(t, "GET", "/docs", "", "Host", "concord.example")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if w.Header().Get("Content-Security-Policy") != contentPolicy {
		t.Errorf("%v", w.Header())
	}
	return r, w.Body.String()
}

func TestDocsShowEveryRouteAndSchema(t *testing.T) {
	t.Parallel()
	r, page := docsHTML(t)
	for _, route := range r.server.engine.Routes() {
		path := pathParameter.ReplaceAllString(route.Path, "{$1}")
		if !strings.Contains(page, ">"+route.Method+"</span> <code>"+path+"</code>") {
			t.Errorf("%s %s is not on the page", route.Method, path)
		}
	}
	if n := strings.Count(page, "<pre>curl"); n != len(r.server.engine.Routes()) {
		t.Errorf("%d examples", n)
	}
	for _, want := range []string{
		`<a href="#schema-TransactionDetail">TransactionDetail</a>`, `<section id="schema-Transaction">`,
		"Role: <b>resolver</b>", "-H &#34;Authorization: Bearer $CONCORD_KEY&#34;", "<code>transaction.operate</code>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not on the page", want)
		}
	}
}

func TestDocsLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	r, page := docsHTML(t)
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]]++; ids[m[1]] > 1 {
			t.Errorf("two places are called %s", m[1])
		}
	}
	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 100 {
		t.Fatalf("%d links", len(links))
	}
	for _, m := range links {
		at, inPage := strings.CutPrefix(m[1], "#")
		switch {
		case inPage && ids[at] == 0:
			t.Errorf("#%s leads nowhere", at)
		case inPage:
		case !strings.HasPrefix(m[1], "/") || strings.HasPrefix(m[1], "//"):
			t.Errorf("%s is fetched from elsewhere", m[1])
		case r.raw(t, "GET", m[1], "", "Host", "concord.example").Code != 200:
			t.Errorf("%s leads nowhere", m[1])
		}
	}
}

// The policy lets nothing in from elsewhere, and nothing that is written into the page run.
func TestPolicyOfPagesIsStrict(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	for _, path := range []string{
		"/docs", "/docs/style.css", "/docs/icon.svg", "/openapi.yaml", "/api/v1/version", "/nowhere",
	} {
		w := r.raw(t, "GET", path, "")
		policy := map[string]string{}
		for directive := range strings.SplitSeq(w.Header().Get("Content-Security-Policy"), ";") {
			name, sources, _ := strings.Cut(strings.TrimSpace(directive), " ")
			policy[name] = sources
			for source := range strings.FieldsSeq(sources) {
				if source != "'self'" && source != "'none'" {
					t.Errorf("%s: %s allows %s", path, name, source)
				}
			}
		}
		for _, name := range []string{"default-src", "base-uri", "form-action", "frame-ancestors", "object-src"} {
			if policy[name] == "" {
				t.Errorf("%s: nothing is said of %s", path, name)
			}
		}
	}
}

// Whatever an operation may answer is named.
func TestDocsNameEveryAlternative(t *testing.T) {
	t.Parallel()
	d, err := parseDescription([]byte(`{a: {oneOf: [{$ref: "#/components/schemas/B"}, {type: string}]}, components: {}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := d.typeOf(d.root.at("a")); got != (docsType{"", "B", " or string"}) {
		t.Errorf("%+v", got)
	}
	if _, page := docsHTML(t); strings.Contains(page, "curl \\\n") {
		t.Error("an example goes on in the next line without need")
	}
}

// What the policy forbids would not be shown, or would not work.
func TestDocsKeepThePolicy(t *testing.T) {
	t.Parallel()
	r, page := docsHTML(t)
	for _, forbidden := range []string{"<script", "<style", " style=", "javascript:", " onclick=", "ZgotmplZ"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("%s is on the page", forbidden)
		}
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	w := r.raw(t, "GET", "/docs/style.css", "", "Host", "concord.example")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" ||
		strings.Contains(w.Body.String(), "url(") || strings.Contains(w.Body.String(), "@import") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestDocsOfADamagedDescriptionAreAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a: [", "\t"} {
		if _, err := readDocs([]byte(text), rules()); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
