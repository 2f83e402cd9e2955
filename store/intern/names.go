package intern

import "sync"

// Names maps equal bytes to one string. Its zero value is ready; it may be used concurrently.
type Names struct {
	mu    sync.RWMutex
	names map[string]string
}

// The bounds of Names: beyond them strings are copied one by one.
const (
	internedMax      = 1 << 14
	internedBytesMax = 512
)

// String returns b as a string, the same one for equal bytes as far as the bounds allow.
func (n *Names) String(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > internedBytesMax {
		return string(b)
	}
	n.mu.RLock()
	s, ok := n.names[string(b)]
	full := len(n.names) >= internedMax
	n.mu.RUnlock()
	if ok {
		return s
	}
	s = string(b)
	if !full {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.names == nil {
			n.names = map[string]string{}
		}
		n.names[s] = s
	}
	return s
}
