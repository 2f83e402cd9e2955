package manual

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are those whose snippets are compiled.
func pages() []string { return []string{"GO-SDK.md", "MIGRATING.md"} }

// packages are what snippets may use without importing it, by name.
func packages() map[string]string {
	all := map[string]string{
		"context": "context", "sql": "database/sql", "errors": "errors", "fmt": "fmt", "http": "net/http",
		"time": "time", "slog": "log/slog", "tls": "crypto/tls", "json": "encoding/json", "fs": "io/fs",
		"gin": "github.com/gin-gonic/gin", "grpc": "google.golang.org/grpc", "redis": "github.com/redis/go-redis/v9",
	}
	for _, name := range []string{
		"client", "client/api", "client/at", "client/fence", "client/fence/httpfence", "client/fence/redisfence",
		"client/fence/sqlfence", "client/message", "client/outbox", "client/propagation", "client/propagation/gintx",
		"client/propagation/grpctx", "client/saga", "client/tcc", "client/tm", "client/worker", "client/xa",
		"client/zookeeper", "migrations",
	} {
		all[name[strings.LastIndexByte(name, '/')+1:]] = "github.com/concord-tx/concord/" + name
	}
	return all
}

// known are the variables and types that the pages speak of without declaring them in each snippet.
const known = `package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/tcc"
	"github.com/concord-tx/concord/client/tm"
)

var (
	ctx     context.Context
	c       *client.Client
	db      *sql.DB
	manager *tm.Manager
	server  *api.Client
	store   *sqlfence.Store
	mux     *http.ServeMux
	router  *gin.Engine
	cache   *redis.Client
	web     *http.Client
	secret  []byte
	order   Order
	err     error
	stock   *tcc.Service[Order]
)

// Order is what is sold.
type Order struct {
	ID    string
	SKU   string
	Count int
}

func place(ctx context.Context, o Order) error { return nil }
func reserve(ctx context.Context, tc *tcc.Context, o Order) error { return nil }
func take(ctx context.Context, tc *tcc.Context, o Order) error { return nil }
func free(ctx context.Context, tc *tcc.Context, o Order) error { return nil }
`

// snippet is a block of Go of a page.
type snippet struct {
	page string
	line int
	text string
}

// snippets returns the blocks of a page.
func snippets(t *testing.T, page string) (all []snippet) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	var current *snippet
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case current == nil && line == "```go":
			current = &snippet{page: page, line: i + 2}
		case current != nil && line == "```":
			all = append(all, *current)
			current = nil
		case current != nil:
			current.text += line + "\n"
		}
	}
	if current != nil {
		t.Errorf("%s: the snippet from line %d on has no end", page, current.line)
	}
	return all
}

// file makes a file of a snippet: declarations stay as they are, anything else becomes the body of a function that
// returns an error.
func (s snippet) file(n int) string {
	var b strings.Builder
	b.WriteString("package main\n")
	used := packages()
	code := regexp.MustCompile(`(^|[ \t\n])//.*`).ReplaceAllString(s.text, "")
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if regexp.MustCompile(`(^|[^\w.")])` + name + `\.[A-Z]`).MatchString(code) {
			fmt.Fprintf(&b, "import %q\n", used[name])
		}
	}
	if regexp.MustCompile(`^(//.*\n)*(type|func) `).MatchString(s.text) {
		fmt.Fprintf(&b, "//line %s:%d\n%s", s.page, s.line, s.text)
		return b.String()
	}
	end := "return nil\n"
	if regexp.MustCompile(`(^|\n)return .*\n$`).MatchString(s.text) {
		end = ""
	}
	fmt.Fprintf(&b, "func snippet%d() error {\n//line %s:%d\n%s%s}\n", n, s.page, s.line, s.text, end)
	return b.String()
}

// compile builds snippets as one program and returns what the compiler says. A snippet need not use what it declares.
func compile(t *testing.T, all []snippet) (complaints []string) {
	t.Helper()
	dir := t.TempDir()
	here, err := filepath.Abs("program") // which exists for the compiler alone
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]string{}
	add := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(here, name)] = path
	}
	add("known.go", known)
	add("main.go", "package main\n\nfunc main() {}\n")
	for i, s := range all {
		add(fmt.Sprintf("snippet%d.go", i), s.file(i))
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-gcflags=-e", "-overlay", list, "-o", os.DevNull,
		"github.com/concord-tx/concord/internal/manual/program")
	out, err := build.CombinedOutput()
	for line := range bytes.Lines(out) {
		if !bytes.HasPrefix(line, []byte("#")) && !bytes.Contains(line, []byte("declared and not used")) {
			complaints = append(complaints, string(bytes.TrimSpace(line)))
		}
	}
	if err != nil && len(out) == 0 {
		complaints = append(complaints, err.Error())
	}
	return complaints
}

func TestTheSnippetsOfTheManualCompile(t *testing.T) {
	t.Parallel()
	var all []snippet
	for _, page := range pages() {
		all = append(all, snippets(t, page)...)
	}
	if len(all) < 20 {
		t.Errorf("there are only %d snippets", len(all))
	}
	for _, complaint := range compile(t, all) {
		t.Error(complaint)
	}
}

func TestASnippetThatDoesNotCompileIsFound(t *testing.T) {
	t.Parallel()
	got := compile(t, []snippet{
		{page: "A.md", line: 7, text: "unused := 1\n"}, {page: "B.md", line: 9, text: "\nc.None()\n"},
	})
	if len(got) != 1 || !strings.Contains(got[0], "B.md:10") {
		t.Errorf("the compiler says %q", got)
	}
}
