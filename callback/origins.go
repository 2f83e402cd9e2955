package callback

import (
	"strings"
	"sync"
)

// origins remembers how the beginnings of URLs were read, up to the path: a participant registers the same one again
// and again, and each is read when it is registered and for each call. Its zero value is ready.
type origins struct {
	mu    sync.RWMutex
	known map[string]endpoint // without paths
}

// originsMax bounds what is remembered.
const originsMax = 1024

// parse is [parseURL].
func (o *origins) parse(raw string) (endpoint, error) {
	n := plainPath(raw)
	if n == 0 {
		return parseURL(raw)
	}
	o.mu.RLock()
	e, found := o.known[raw[:n]]
	o.mu.RUnlock()
	if found {
		e.path = raw[n:]
		return e, nil
	}
	e, err := parseURL(raw)
	if err == nil {
		o.remember(strings.Clone(raw[:n]))
	}
	return e, err
}

func (o *origins) remember(origin string) {
	e, err := parseURL(origin + "/")
	if err != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= originsMax {
		o.known = map[string]endpoint{} // what is used comes back
	}
	o.known[origin] = e
}

// plainPath returns where the path of a URL begins, if there is nothing before it but scheme, host and port, and in it
// nothing that could be written in another way; otherwise 0.
func plainPath(raw string) int {
	from := len("http://")
	switch {
	case len(raw) > urlBytesMax:
		return 0
	case strings.HasPrefix(raw, "https://"):
		from++
	case !strings.HasPrefix(raw, "http://"):
		return 0
	}
	path := strings.IndexByte(raw[from:], '/')
	if path <= 0 {
		return 0
	}
	path += from
	for i := from; i < len(raw); i++ {
		switch c := raw[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		case i < path && (c == ':' || c == '[' || c == ']'):
		case i >= path && (c == '/' || c == '~'):
		default:
			return 0
		}
	}
	return path
}
