package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/web/access"
)

// A POST with an Idempotency-Key is carried out once: its reply is stored, and whoever sends the same request with the
// same key again gets it. A key belongs to the principal, the method and the path.

// The headers of idempotent requests.
const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"
)

const (
	// replyKind is the kind of the documents that hold replies, replyKept how long they are kept.
	replyKind = "reply"
	replyKept = 24 * time.Hour
	// claimKept is how long a request may be under way before somebody else with its key may try: longer than any lasts.
	claimKept = 2 * answerWait
)

// storedReply is the value of a document. Status is 0 while the request is under way.
type storedReply struct {
	Request     string `json:"request"` // hash of the body
	Status      int    `json:"status"`
	ContentType string `json:"contentType,omitempty"`
	Location    string `json:"location,omitempty"`
	Body        []byte `json:"body,omitempty"`
}

var (
	problemKeyMalformed = Problem{
		Status: http.StatusBadRequest, Code: "idempotencyKeyInvalid",
		Title: "An Idempotency-Key has 1 to 200 printable characters.",
	}
	problemKeyReused = Problem{
		Status: http.StatusUnprocessableEntity, Code: "idempotencyKeyReused",
		Title: "This Idempotency-Key belongs to a request with another body.",
	}
	problemKeyBusy = Problem{
		Status: http.StatusConflict, Code: "requestUnderWay", Retryable: true,
		Title: "A request with this Idempotency-Key is under way; ask again for its reply.",
	}
)

// idempotent carries a POST with an Idempotency-Key out once.
func (s *Server) idempotent(c *gin.Context) {
	given := c.GetHeader(idempotencyHeader)
	r, found := s.ruleOf(c)
	if given == "" || c.Request.Method != http.MethodPost || s.o.Documents == nil || r.secret || !found {
		return // what is no route is answered to everybody: nothing of it is stored
	}
	if clean(given, keyBytesMax) != given {
		s.refuse(c, problemKeyMalformed)
		return
	}
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256(body)
	claim := storedReply{Request: hex.EncodeToString(sum[:])}
	key := hashOf(access.From(c).ID, c.Request.Method, c.Request.URL.Path, given)
	version, known, err := s.claim(c, key, claim)
	switch {
	case err != nil:
		s.fail(c, err)
	case known == nil:
		s.carryOut(c, key, version, claim)
	case known.Request != claim.Request:
		s.refuse(c, problemKeyReused)
	case known.Status == 0:
		s.refuse(c, problemKeyBusy)
	default:
		c.Header(replayedHeader, "true")
		if known.Location != "" {
			c.Header("Location", known.Location)
		}
		c.Data(known.Status, known.ContentType, known.Body)
		c.Abort()
	}
}

// claim notes that a request is under way. It returns what is known of the key already, or nil and the version of the
// claim.
func (s *Server) claim(ctx context.Context, key string, claim storedReply) (uint64, *storedReply, error) {
	value, err := json.Marshal(claim)
	if err != nil {
		return 0, nil, err
	}
	d := orchestrator.Document{
		Kind: replyKind, Key: key, Version: 1, Value: value, ExpiresAt: s.o.Clock.Now().Add(claimKept),
	}
	err = s.o.Documents.PutDocument(ctx, d)
	if !errors.Is(err, orchestrator.ErrConflict) {
		return d.Version, nil, err
	}
	stored, err := s.o.Documents.GetDocument(ctx, replyKind, key)
	if errors.Is(err, orchestrator.ErrNoDocument) { // it has expired between the two
		err = orchestrator.ErrConflict
	}
	var known storedReply
	if err == nil {
		err = json.Unmarshal(stored.Value, &known)
	}
	return 0, &known, err
}

// carryOut runs the request and stores its reply before it is sent. Replies that say "try again" are not stored.
func (s *Server) carryOut(c *gin.Context, key string, version uint64, claim storedReply) {
	w := &held{ResponseWriter: c.Writer, status: http.StatusOK}
	c.Writer = w
	finished := false
	defer func() {
		c.Writer = w.ResponseWriter
		if !finished { // a panic, which is answered above
			w.status = http.StatusInternalServerError
		}
		s.keepReply(c, key, version, claim, w)
		if finished {
			w.release()
		}
	}()
	c.Next()
	finished = true
}

// keepReply stores a reply, or gives the key free.
func (s *Server) keepReply(c *gin.Context, key string, version uint64, claim storedReply, w *held) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), storeWait)
	defer cancel()
	large := w.Size() > orchestrator.DocumentBytesMax/2
	again := w.status >= http.StatusInternalServerError || w.status == http.StatusTooManyRequests ||
		c.GetBool(retryableKey)
	if again || large {
		if err := s.o.Documents.DeleteDocument(ctx, replyKind, key, version); err != nil {
			s.o.Logger.WarnContext(c, "claim of an idempotency key stays until it expires", "err", err)
		}
		return
	}
	claim.Status, claim.ContentType = w.status, w.Header().Get("Content-Type")
	claim.Location, claim.Body = w.Header().Get("Location"), w.body.Bytes()
	value, err := json.Marshal(claim)
	if err == nil {
		err = s.o.Documents.PutDocument(ctx, orchestrator.Document{
			Kind: replyKind, Key: key, Version: version + 1, Value: value, ExpiresAt: s.o.Clock.Now().Add(replyKept),
		})
	}
	if err != nil {
		s.o.Logger.WarnContext(c, "reply to an idempotent request was not stored", "err", err)
	}
}

// retryableKey is what a request remembers that was told to try again.
const retryableKey = "concord.retryable"

// storeWait bounds how long a reply may take to be stored.
const storeWait = 5 * time.Second

// hashOf makes a key of texts; none of them can be taken for a part of another.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}
