package console

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

const html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

var script = strings.Repeat("export const a = 'concord';\n", 100)

func made(t *testing.T) *Console {
	t.Helper()
	files := fstest.MapFS{
		"index.html":      {Data: []byte(`<meta property="csp-nonce" nonce="__CSP_NONCE__"><script nonce="__CSP_NONCE__">`)},
		"scheme.js":       {Data: []byte("1")},
		"icon.svg":        {Data: []byte("<svg/>")},
		"assets/index.js": {Data: []byte(script)},
	}
	return &Console{files: files, all: sync.OnceValues(func() (map[string]*asset, error) { return readAll(files) })}
}

// ask sends a request; headers come in pairs. found is what Serve says of it.
func ask(t *testing.T, c *Console, method, path string, headers ...string) (*httptest.ResponseRecorder, bool) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	found, err := c.Serve(w, r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if !found && (w.Body.Len() > 0 || len(w.Header()) > 0) {
		t.Errorf("%s %s: not found, and yet %v was written", method, path, w.Header())
	}
	return w, found
}

func TestPageHasANonceOfItsOwnAndIsNotKept(t *testing.T) {
	t.Parallel()
	c := made(t)
	policy := regexp.MustCompile(`^default-src 'self'; style-src 'self' 'nonce-([A-Z2-7]{26})'; object-src 'none'; ` +
		`base-uri 'none'; form-action 'self'; frame-ancestors 'none'$`)
	seen := map[string]bool{}
	for range 3 {
		w, _ := ask(t, c, "GET", "/", "Accept", html, "Accept-Encoding", "gzip")
		m := policy.FindStringSubmatch(w.Header().Get("Content-Security-Policy"))
		if w.Code != 200 || m == nil {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		if want := `<meta property="csp-nonce" nonce="` + m[1] + `"><script nonce="` + m[1] + `">`; w.Body.String() != want {
			t.Errorf("the page is %s", w.Body)
		}
		if seen[m[1]] {
			t.Errorf("the nonce %s is used twice", m[1])
		}
		seen[m[1]] = true
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("ETag") != "" ||
			w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%v", w.Header())
		}
	}
}

func TestPathsOfPagesAreThePage(t *testing.T) {
	t.Parallel()
	c := made(t)
	for _, tt := range []struct {
		method, path, accept string
		found                bool
	}{
		{"GET", "/", "*/*", true},
		{"GET", "/index.html", "*/*", true},
		{"GET", "/transactions", html, true},
		{"GET", "/transactions/10.0.0.5:8091:4194305", html, true},
		{"GET", "/sagas/runs/7?tab=graph", html, true},
		{"HEAD", "/sagas", html, true},
		{"GET", "/transactions", "*/*", false},
		{"GET", "/transactions", "application/json", false},
		{"POST", "/", html, false},
		{"GET", "/assets/index.js", "*/*", true},
		{"GET", "/assets/gone.js", "*/*", false},
		{"GET", "/assets/gone.js", html, false},
		{"GET", "/favicon.ico", "image/avif,image/webp,*/*;q=0.8", false},
		{"GET", "/assets", "*/*", false},
		{"GET", "/assets/", html, false},
		{"GET", "/assets/../index.html", "*/*", false},
	} {
		w, found := ask(t, c, tt.method, tt.path, "Accept", tt.accept)
		if found != tt.found {
			t.Errorf("%s %s: found is %v", tt.method, tt.path, found)
		}
		if found && tt.method == "HEAD" && (w.Body.Len() > 0 || w.Header().Get("Content-Length") == "0") {
			t.Errorf("HEAD %s: %v %q", tt.path, w.Header(), w.Body)
		}
	}
}

func TestFilesAreAskedForEachTimeAndSentOnce(t *testing.T) {
	t.Parallel()
	c := made(t)
	plain, _ := ask(t, c, "GET", "/assets/index.js")
	packed, _ := ask(t, c, "GET", "/assets/index.js", "Accept-Encoding", "br, gzip;q=0.8")
	if plain.Body.String() != script || plain.Header().Get("Content-Encoding") != "" {
		t.Errorf("%v", plain.Header())
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(reader); err != nil || string(text) != script {
		t.Errorf("%v %q", err, text)
	}
	if packed.Body.Len() >= len(script)/4 || packed.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("%d bytes, %v", packed.Body.Len(), packed.Header())
	}
	for _, w := range []*httptest.ResponseRecorder{plain, packed} {
		h := w.Header()
		if h.Get("Cache-Control") != "no-cache" || h.Get("Vary") != "Accept-Encoding" ||
			h.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%v", h)
		}
	}
	tags := []string{plain.Header().Get("ETag"), packed.Header().Get("ETag")}
	if tags[0] == tags[1] || tags[0] == "" || tags[1] == "" {
		t.Fatalf("two contents have the tags %q", tags)
	}
	for _, tt := range []struct {
		encoding, tag string
		status        int
	}{
		{"gzip", tags[1], 304}, {"gzip", `"x", W/` + tags[1], 304}, {"gzip", "*", 304}, {"gzip", tags[0], 200},
		{"", tags[0], 304}, {"", tags[1], 200}, {"", `"` + strings.Repeat("0", 24) + `"`, 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			w, _ := ask(t, c, method, "/assets/index.js", "Accept-Encoding", tt.encoding, "If-None-Match", tt.tag)
			if w.Code != tt.status || (method == "HEAD" || w.Code == 304) != (w.Body.Len() == 0) {
				t.Errorf("%s with %q and %s: %d, %d bytes", method, tt.encoding, tt.tag, w.Code, w.Body.Len())
			}
		}
	}
	small, _ := ask(t, c, "GET", "/scheme.js", "Accept-Encoding", "gzip")
	if small.Body.String() != "1" || small.Header().Get("Content-Encoding") != "" {
		t.Errorf("%v %s", small.Header(), small.Body)
	}
}

func TestCompressionIsOnlyForWhoTakesIt(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"": false, "gzip": true, "deflate, gzip;q=1.0, *;q=0.5": true, "GZIP": true, "gzip;q=0": false,
		"gzip; q=0.000": false, "gzip;q=0.001": true, "*": true, "*;q=0": false, "gzip;q=0, *": false,
		"br": false, "xgzip": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", header)
		if got := takesGzip(r); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestDirectoryIsReadEachTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Directory(dir)
	w := httptest.NewRecorder()
	if _, err := c.Serve(w, httptest.NewRequest("GET", "/", nil)); err == nil {
		t.Error("an empty directory is a console")
	}
	for _, text := range []string{"one", "two"} {
		write(text)
		if w, _ := ask(t, c, "GET", "/transactions/a:1:2", "Accept", html); w.Body.String() != text {
			t.Errorf("%s", w.Body)
		}
	}
	if _, found := ask(t, c, "GET", "/index.html/x"); found {
		t.Error("there is something in a file")
	}
}

// What is in the binary is whole: each file that the page names is there, and none is of a kind that is not known.
func TestWhatIsBuiltIsWhole(t *testing.T) {
	t.Parallel()
	c := Built()
	text, err := fs.ReadFile(c.files, page)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), nonceMark) {
		t.Error("the page has no place for the nonce")
	}
	if regexp.MustCompile(`<script(>|[^>]* (on\w+|style)=)|\sstyle="|="(https?:)?//`).Match(text) {
		t.Error("the page has scripts or styles in it, or loads something from elsewhere")
	}
	loads := regexp.MustCompile(`<(?:script|link)[^>]* (?:src|href)="(/[^"]*)"`)
	for _, m := range loads.FindAllStringSubmatch(string(text), -1) {
		if w, found := ask(t, c, "GET", m[1]); !found || w.Code != http.StatusOK {
			t.Errorf("%s, which the page loads, is missing", m[1])
		}
	}
	all, err := c.all()
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range all {
		if a.kind == "application/octet-stream" {
			t.Errorf("%s is of no known kind", name)
		}
	}
}
