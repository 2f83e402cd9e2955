package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// The headers of a call.
const (
	headerFrom      = "Concord-From"      // node id of the sender
	headerTo        = "Concord-To"        // node id of the receiver
	headerTime      = "Concord-Time"      // when it was signed, in milliseconds of the store's time
	headerInstance  = "Concord-Instance"  // 16 hexadecimal digits that the sender drew at its start
	headerCount     = "Concord-Count"     // of the calls of this instance; rises
	headerBody      = "Concord-Body"      // SHA-256 of the body, hexadecimal
	headerSignature = "Concord-Signature" // HMAC-SHA256 of all that, hexadecimal
)

// Why a call was not believed.
var (
	errSignature = errors.New("signature is missing or wrong")
	errAge       = errors.New("call is too old or from the future")
	errReplayed  = errors.New("call was seen before, or came after a later one")
	errReceiver  = errors.New("call is for another node")
	errCallers   = errors.New("too many callers")
)

// envelope is what the headers of a call say.
type envelope struct {
	path, from, to, instance, body string
	at                             txn.Millis
	count                          uint64
}

// text is what is signed. Headers hold no line breaks, so it says the same to everybody.
func (e *envelope) text() string {
	return strings.Join([]string{
		"concord internal call 1", http.MethodPost, e.path, e.from, e.to, strconv.FormatInt(int64(e.at), 10), e.instance,
		strconv.FormatUint(e.count, 10), e.body,
	}, "\n")
}

// signature is the MAC of the envelope.
func (e *envelope) signature(secret []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(e.text()))
	return mac.Sum(nil)
}

// write puts the envelope and its signature into the headers of a request.
func (e *envelope) write(h http.Header, secret []byte) {
	h.Set(headerFrom, e.from)
	h.Set(headerTo, e.to)
	h.Set(headerTime, strconv.FormatInt(int64(e.at), 10))
	h.Set(headerInstance, e.instance)
	h.Set(headerCount, strconv.FormatUint(e.count, 10))
	h.Set(headerBody, e.body)
	h.Set(headerSignature, hex.EncodeToString(e.signature(secret)))
}

// readEnvelope reads the headers and checks the signature. Nothing of the body has to be read for that.
func readEnvelope(r *http.Request, secret []byte) (e envelope, err error) {
	h := r.Header
	e = envelope{
		path: r.URL.Path, from: h.Get(headerFrom), to: h.Get(headerTo), instance: h.Get(headerInstance),
		body: h.Get(headerBody),
	}
	at, err1 := strconv.ParseInt(h.Get(headerTime), 10, 64)
	count, err2 := strconv.ParseUint(h.Get(headerCount), 10, 64)
	signature, err3 := hex.DecodeString(h.Get(headerSignature))
	e.at, e.count = txn.Millis(at), count
	if err1 != nil || err2 != nil || err3 != nil || len(secret) == 0 || len(e.instance) != instanceDigits ||
		!hmac.Equal(signature, e.signature(secret)) {
		return envelope{}, errSignature
	}
	return e, nil
}

// instanceDigits is the length of an instance in text.
const instanceDigits = 16

// bodyHash is what a body is known by.
func bodyHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// guard refuses calls that are old or come a second time. A sender's calls of one kind come one after the other, so it
// is enough to remember the last count of each: what comes late was given up by its sender anyway.
type guard struct {
	self    string
	window  time.Duration
	clock   orchestrator.Clock
	started time.Time

	mu   sync.Mutex
	last map[caller]seen
}

type caller struct{ instance, path string }

type seen struct {
	count uint64
	at    txn.Millis
}

// callersMax bounds the memory of a guard. Only who knows the secret takes any.
const callersMax = 4096

// admit decides about a call whose signature is right.
func (g *guard) admit(e *envelope) error {
	if e.to != g.self {
		return errReceiver
	}
	now := g.clock.Now()
	oldest := now.Add(-g.window)
	// What was recorded before this process began is not known here. The clock may have been set since, so the
	// beginning is counted back from now; both are rounded.
	if began := now.Add(-time.Since(g.started)) - 2; began > oldest {
		oldest = began
	}
	if e.at < oldest || e.at > now.Add(g.window) {
		return errAge
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	key := caller{e.instance, e.path}
	before, ok := g.last[key]
	switch {
	case ok && e.count <= before.count:
		return errReplayed
	case !ok && len(g.last) >= callersMax && !g.forget(now.Add(-2*g.window)):
		return errCallers
	}
	g.last[key] = seen{e.count, max(e.at, before.at)}
	return nil
}

// forget drops callers whose calls would all be refused as too old. It returns false if there are none.
func (g *guard) forget(before txn.Millis) bool {
	for key, s := range g.last {
		if s.at < before {
			delete(g.last, key)
		}
	}
	return len(g.last) < callersMax
}
