package console

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
)

// built are the files of the console.
//
//go:embed all:dist
var built embed.FS

// page is the file that every page of the console begins with.
const page = "index.html"

// nonceMark is what the build writes where the nonce of an answer belongs.
const nonceMark = "__CSP_NONCE__"

// policyBefore and policyAfter are the policy of the page around its nonce. Styles are the one thing that needs it: the
// libraries write some while they run.
const (
	policyBefore = "default-src 'self'; style-src 'self' 'nonce-"
	policyAfter  = "'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

// packLeast is the size from which a file is sent compressed.
const packLeast = 512

// Console serves the files of the console. It may be used concurrently.
type Console struct {
	files fs.FS
	// all has every file by its name; nil reads them each time, as they are then.
	all func() (map[string]*asset, error)
}

// asset is a file as it is sent.
type asset struct {
	kind   string
	plain  []byte
	packed func() []byte // nil: is sent as it is
	tag    string        // of the content, without quotes
}

// Built returns the console that is in the binary.
func Built() *Console {
	files, err := fs.Sub(built, "dist")
	if err != nil {
		panic("console: " + err.Error()) // a constant argument
	}
	return &Console{files: files, all: sync.OnceValues(func() (map[string]*asset, error) { return readAll(files) })}
}

// Directory returns the console that is built into a directory, as it is at each request: for its development.
func Directory(dir string) *Console { return &Console{files: os.DirFS(dir)} }

// Serve answers a request for the console. found is false if it is for nothing of the console: then nothing is written.
func (c *Console) Serve(w http.ResponseWriter, r *http.Request) (found bool, err error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false, nil
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name != "" && name != page {
		a, err := c.asset(name)
		switch {
		case err == nil:
			a.serve(w, r)
			return true, nil
		case !errors.Is(err, fs.ErrNotExist):
			return false, err
		case strings.HasPrefix(name, "assets/") || !wantsPage(r):
			return false, nil
		}
	}
	a, err := c.asset(page)
	if err != nil {
		return false, fmt.Errorf("page of the console: %w", err)
	}
	a.servePage(w, r)
	return true, nil
}

// wantsPage reports whether a browser asks for a page, as opposed to a part of one or a program for what is not there.
func wantsPage(r *http.Request) bool {
	return strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html")
}

// asset finds a file. Errors: fs.ErrNotExist, faults.
func (c *Console) asset(name string) (*asset, error) {
	if c.all == nil {
		return read(c.files, name)
	}
	all, err := c.all()
	if err != nil {
		return nil, err
	}
	a := all[name]
	if a == nil {
		return nil, fs.ErrNotExist
	}
	return a, nil
}

func readAll(files fs.FS) (map[string]*asset, error) {
	all := map[string]*asset{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[name], err = read(files, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the console: %w", err)
	}
	return all, nil
}

func read(files fs.FS, name string) (*asset, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrNotExist
	}
	if info, err := fs.Stat(files, name); err != nil || !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, fmt.Errorf("read %s of the console: %w", name, err)
	}
	sum := sha256.Sum256(text)
	a := &asset{kind: kindOf(name), plain: text, tag: hex.EncodeToString(sum[:12])}
	if len(text) >= packLeast && packable(a.kind) {
		a.packed = sync.OnceValue(func() []byte { return pack(text) })
	}
	return a, nil
}

// kindOf returns the media type of a file. What the machine has in its tables does not count.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".png":
		return "image/png"
	case ".woff2":
		return "font/woff2"
	}
	return "application/octet-stream"
}

// packable reports whether files of a type get smaller.
func packable(kind string) bool {
	return strings.HasPrefix(kind, "text/") || kind == "image/svg+xml" || kind == "application/json"
}

func pack(text []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("console: " + err.Error()) // a constant level, and memory takes everything
	}
	return out.Bytes()
}

// serve answers with a file.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, tag := a.plain, `"`+a.tag+`"`
	if a.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r) {
			body, tag = a.packed(), `"`+a.tag+`-gzip"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", tag)
	if hasTag(r, tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	a.send(w, r, body)
}

// servePage answers with the page, which has a nonce of its own.
func (a *asset) servePage(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", policyBefore+nonce+policyAfter)
	a.send(w, r, bytes.ReplaceAll(a.plain, []byte(nonceMark), []byte(nonce)))
}

func (a *asset) send(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a reader that has gone away wants nothing any more
	}
}

// takesGzip reports whether an answer may be compressed.
func takesGzip(r *http.Request) bool {
	takes := false
	for _, line := range r.Header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(line, ",") {
			coding, rest, _ := strings.Cut(part, ";")
			weight := strings.ReplaceAll(rest, " ", "")
			refused := weight == "q=0" || strings.HasPrefix(weight, "q=0.") && strings.Trim(weight[4:], "0") == ""
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip":
				return !refused
			case "*":
				takes = !refused
			}
		}
	}
	return takes
}

// hasTag reports whether the browser has the content with a tag already.
func hasTag(r *http.Request, tag string) bool {
	for _, line := range r.Header.Values("If-None-Match") {
		for known := range strings.SplitSeq(line, ",") {
			known = strings.TrimSpace(known)
			if known == "*" || strings.TrimPrefix(known, "W/") == tag {
				return true
			}
		}
	}
	return false
}
