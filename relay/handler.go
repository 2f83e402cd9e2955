package relay

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// problem is the body of an answer other than 200: a part of RFC 9457, as the API has it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
}

// refusals says how a call is answered that is not carried out. All others are malformed.
func refusals(err error) (status int, code string) {
	switch {
	case errors.Is(err, errSignature):
		return http.StatusUnauthorized, "callSignature"
	case errors.Is(err, errAge):
		return http.StatusUnauthorized, "callAge"
	case errors.Is(err, errReplayed):
		return http.StatusUnauthorized, "callReplayed"
	case errors.Is(err, errReceiver):
		return http.StatusMisdirectedRequest, "callReceiver"
	case errors.Is(err, errVersion):
		return http.StatusBadRequest, "callVersion"
	case errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge, "requestTooLarge"
	case errors.Is(err, errCallers):
		return http.StatusServiceUnavailable, "busy"
	case errors.Is(err, orchestrator.ErrStopped):
		return http.StatusServiceUnavailable, "shuttingDown"
	}
	return http.StatusBadRequest, "callMalformed"
}

var errTooLarge = errors.New("body is too large")

// Handler answers the internal calls of other nodes: POST /internal/v1/commands and /internal/v1/replies. It has to see
// them as they came; whoever puts something in front of it must not ask for other keys.
func (r *Relay) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathCommands, r.serve(r.takeCommands))
	mux.HandleFunc("POST "+pathReplies, r.serve(r.takeEndings))
	return mux
}

// serve checks a call, has it carried out, and answers.
func (r *Relay) serve(take func(e *envelope, body []byte) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				r.stats.panics.Add(1)
				r.logger.Error("internal call panicked", slog.String("panic", fmt.Sprint(p)),
					slog.String("stack", string(debug.Stack())))
				writeProblem(w, http.StatusInternalServerError, "internal", "Concord has a defect; its log has the details.")
			}
		}()
		e, err := readEnvelope(request, r.secret)
		if err == nil {
			err = r.guard.admit(&e)
		}
		var body, answer []byte
		if err == nil {
			body, err = r.readBody(w, request, &e)
		}
		if err == nil {
			answer, err = take(&e, body)
		}
		if err != nil {
			r.refuse(w, request, &e, err)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(answer)
	}
}

// readBody reads the body that was signed.
func (r *Relay) readBody(w http.ResponseWriter, request *http.Request, e *envelope) ([]byte, error) {
	// The deadline is lifted by net/http before the next request. A writer that cannot set one has its own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(r.limits.CallLimit))
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, int64(r.limits.BodyBytesMax)))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, errTooLarge
	case err != nil:
		return nil, fmt.Errorf("read body: %w", err)
	case subtle.ConstantTimeCompare([]byte(bodyHash(body)), []byte(e.body)) != 1:
		return nil, errSignature
	}
	return body, nil
}

// refuse answers a call that was not carried out.
func (r *Relay) refuse(w http.ResponseWriter, request *http.Request, e *envelope, err error) {
	status, code := refusals(err)
	if status == http.StatusUnauthorized {
		r.stats.forged.Add(1)
	} else {
		r.stats.rejected.Add(1)
	}
	if ok, suppressed := r.lines.take(r.now()); ok && status != http.StatusServiceUnavailable {
		r.logger.Warn("internal call refused", slog.String("client", request.RemoteAddr), slog.String("node", e.from),
			slog.String("code", code), slog.Any("err", err), slog.Int64("suppressed", suppressed))
	}
	writeProblem(w, status, code, "The internal call was not carried out: "+err.Error()+".")
}

func writeProblem(w http.ResponseWriter, status int, code, title string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{Type: "urn:concord:error:" + code, Title: title, Status: status, Code: code})
}

// takeCommands gives commands of another node to the participants here.
func (r *Relay) takeCommands(e *envelope, body []byte) ([]byte, error) {
	from, batch, err := decodeCommands(body)
	switch {
	case err != nil:
		return nil, err
	case from.node != e.from:
		return nil, errMalformed
	case r.stopping.Load():
		return nil, orchestrator.ErrStopped
	}
	verdicts := make([]verdict, len(batch))
	for i := range batch {
		verdicts[i] = r.give(from, &batch[i])
	}
	return appendVerdicts(nil, verdicts), nil
}

// give gives one command to a participant here.
func (r *Relay) give(from origin, h *handover) verdict {
	r.stats.received.Add(1)
	if !r.valid() {
		return verdict{refused, leaseText}
	}
	seq := h.seq
	err := r.local.SendFor(h.cmd, func(id int64, reply txn.Reply) { r.bringBack(from, seq, id, reply) })
	switch {
	case err == nil:
		r.stats.given.Add(1)
		return verdict{code: accepted}
	case errors.Is(err, orchestrator.ErrNobody):
		return verdict{nobody, err.Error()}
	}
	return verdict{refused, err.Error()}
}

// takeEndings takes ends that another node brings back.
func (r *Relay) takeEndings(e *envelope, body []byte) ([]byte, error) {
	node, batch, err := decodeEndings(body)
	switch {
	case err != nil:
		return nil, err
	case node != e.from:
		return nil, errMalformed
	}
	for i := range batch {
		r.broughtHome(&batch[i])
	}
	return []byte{wireVersion}, nil
}
