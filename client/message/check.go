package message

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// CheckOptions change what CheckHandler does.
type CheckOptions struct {
	// Verify says whether a request comes from the coordinator; its error refuses it. nil: everybody may ask. Who asks
	// for an xid whose transaction is not under way yet has it rolled back, so set it where others reach the handler.
	// httpfence.Verify checks the coordinator's signature.
	Verify func(r *http.Request, body []byte) error
	// Logger is told of questions that could not be answered; nil: nobody is.
	Logger *slog.Logger
}

// CheckHandler answers the coordinator's question what became of a message: 200 if its local transaction has committed,
// 409 if it never will, 425 if that is not known yet, after which it is asked again.
func CheckHandler(store Store, o CheckOptions) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const bodyBytesMax = 64 << 10 // a question has no body
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		query := r.URL.Query() // the parameters are signed, the headers of the same names are not
		xid, operation := query.Get("concord-xid"), query.Get("concord-operation")
		switch {
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "a question is a POST", http.StatusMethodNotAllowed)
			return
		case operation != "check" || !plausible(xid): // not 409: that would roll something back
			http.Error(w, "this is no question about a message", http.StatusBadRequest)
			return
		}
		if o.Verify != nil {
			if err := o.Verify(r, body); err != nil {
				http.Error(w, "this does not come from the coordinator", http.StatusUnauthorized)
				return
			}
		}
		committed, err := store.Settle(r.Context(), xid)
		switch {
		case err != nil:
			o.Logger.WarnContext(r.Context(), "a question about a message cannot be answered", "xid", xid, "err", err)
			http.Error(w, "not known yet", http.StatusTooEarly)
		case committed:
			w.WriteHeader(http.StatusOK)
		default:
			http.Error(w, "rolled back", http.StatusConflict)
		}
	})
}

// plausible reports whether a text may be an xid: host:port:number.
func plausible(xid string) bool {
	at := strings.LastIndexByte(xid, ':')
	return at > 0 && len(xid) <= 128 && at+1 < len(xid) && strings.Trim(xid[at+1:], "0123456789") == ""
}
