package httpfence

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/concord-tx/concord/client/fence"
)

// bodyBytesMax is how much of a request is read unless Options say otherwise: what a branch's payload may be.
const bodyBytesMax = 4 << 20

// Mode says how the operations of a branch are fenced.
type Mode uint8

// The modes.
const (
	// ByKind is the usual one. Branches of kind tcc and steps of sagas are undone only where their try or action has
	// come through a [Handler]. Commit and rollback of branches of kind http, which have no try, are each done once.
	ByKind Mode = iota
	// Fenced takes commit and rollback for confirm and cancel of a try that comes through a [Handler].
	Fenced
	// Once has each operation done once, whatever the others are: for participants whose phase one is not fenced.
	Once
)

// Options of a [Handler]. All may be left out.
type Options struct {
	// Secrets are those of the coordinators, and of services that send tries, callback.secrets: each request has to be
	// signed with one of them. Without any everybody who reaches the handler is believed.
	Secrets [][]byte
	// UnsignedTry lets tries pass without a signature, where something else tells who sends them.
	UnsignedTry bool
	// Mode says which operations depend on each other.
	Mode Mode
	// Again answers requests for what was done before. nil answers 200 without a body: enough for branches, but the
	// answer to a step of a saga is its output, which another attempt needs as well.
	Again http.Handler
	// BodyBytesMax bounds what is read of a request, 4 MiB if 0.
	BodyBytesMax int64
	// Logger is told of errors of the store; nobody if nil.
	Logger *slog.Logger
	// Now tells the time for signatures, the system's if nil.
	Now func() time.Time
}

// errAnswered says that the handler has answered something that is no success.
var errAnswered = errors.New("httpfence: the handler did not succeed")

// Handler puts a fence in front of a handler. What next answers is held back until the local transaction has ended: 2xx
// other than 202 commits it, anything else rolls it back. Next may be called again, with the same request, if the
// database has rolled back for the sake of others. A panic rolls back and is passed on.
func Handler(b fence.Barrier, o Options, next http.Handler) http.Handler {
	o.BodyBytesMax = cmp.Or(o.BodyBytesMax, bodyBytesMax)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &handler{barrier: b, o: o, next: next}
}

type handler struct {
	barrier fence.Barrier
	o       Options
	next    http.Handler
}

// ServeHTTP reads and verifies a request, and has it done behind the fence.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, err := Parse(r)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	event, ok := call.Event()
	if !ok {
		problem(w, http.StatusBadRequest, "httpfence: there is nothing to fence in this operation")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.o.BodyBytesMax))
	if err != nil {
		problem(w, http.StatusBadRequest, "httpfence: the body cannot be read, or is too long")
		return
	}
	if len(h.o.Secrets) > 0 && !(event == fence.Try && h.o.UnsignedTry) {
		if err := Verify(r, body, h.o.Secrets, h.o.Now()); err != nil {
			problem(w, http.StatusUnauthorized, err.Error())
			return
		}
	}
	key := fence.Key{XID: call.XID, Branch: call.Branch, Action: r.URL.Path}
	if h.o.Mode == Once || h.o.Mode == ByKind && (call.Operation == "commit" || call.Operation == "rollback") {
		key, event = call.once(), fence.Consume
	}
	h.guard(w, r.WithContext(context.WithValue(r.Context(), callKey{}, call)), body, key, event)
}

// guard has a request done, and answers.
func (h *handler) guard(w http.ResponseWriter, r *http.Request, body []byte, key fence.Key, event fence.Event) {
	var answer *held
	verdict, err := h.barrier.Guard(r.Context(), key, event, func(ctx context.Context) error {
		answer = &held{header: http.Header{}}
		again := r.WithContext(ctx)
		again.Body = io.NopCloser(bytes.NewReader(body))
		h.next.ServeHTTP(answer, again)
		if !answer.success() {
			return errAnswered
		}
		return nil
	})
	var refused *fence.RefusedError
	switch {
	case err == nil && verdict == fence.Run, errors.Is(err, errAnswered):
		answer.send(w)
	case err == nil && h.o.Again != nil:
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.o.Again.ServeHTTP(w, r)
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.As(err, &refused) && refused.Final():
		problem(w, http.StatusConflict, refused.Error())
	case refused != nil:
		problem(w, http.StatusServiceUnavailable, refused.Error())
	default:
		h.o.Logger.WarnContext(r.Context(), "the fence of a call cannot be kept", "key", key.String(),
			"operation", event.String(), "err", err)
		problem(w, http.StatusServiceUnavailable, "httpfence: the store cannot be reached, or has given up")
	}
}

// problem answers with a document of RFC 9457, whose detail the coordinator shows to people.
func problem(w http.ResponseWriter, status int, detail string) {
	text, _ := json.Marshal(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // who asks has gone, otherwise
}

// held is an answer that is held back.
type held struct {
	header http.Header
	status int // 0: nothing was written
	body   bytes.Buffer
}

// Header returns the headers, which may be changed until something is written.
func (a *held) Header() http.Header { return a.header }

// WriteHeader notes the status; the first one counts.
func (a *held) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

// Write appends to the body.
func (a *held) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// success reports whether the answer says that it is done.
func (a *held) success() bool {
	status := cmp.Or(a.status, http.StatusOK)
	return status < 300 && status != http.StatusAccepted
}

func (a *held) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(cmp.Or(a.status, http.StatusOK))
	_, _ = w.Write(a.body.Bytes()) // who asks has gone, otherwise
}
