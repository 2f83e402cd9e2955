package propagation

import (
	"context"
	"log/slog"
	"net/http"
)

// Options say whom a transaction is told, and whom it is taken from. The zero value is fit for services that only
// others of one's own can call.
type Options struct {
	// Logger is told of an xid that was ignored, and of hosts that got none [discarded].
	Logger *slog.Logger
	// Only says to which hosts an xid is sent [Own]; others get the trace, and no transaction. See [Hosts]. A service
	// that is refused here does not take part, and does its work at once and for good: that is told to Logger at Info.
	Only func(host string) bool
	// Accept says from which callers an xid is taken [all]. Who can send requests can otherwise make this service work in
	// a transaction of their choice, so a service that strangers can call should accept none, or only those that it
	// knows. peer is what the carrier knows of the caller: its address over HTTP and gRPC, otherwise "".
	Accept func(ctx context.Context, peer string) bool
}

// Handler is [Options.Handler] of the zero value.
func Handler(next http.Handler) http.Handler { return Options{}.Handler(next) }

// Transport is [Options.Transport] of the zero value.
func Transport(rt http.RoundTripper) http.RoundTripper { return Options{}.Transport(rt) }

// Handler returns a handler that gives requests the transaction and the trace of their headers, and calls next.
func (o Options) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, o.Request(r))
	})
}

// Request returns r with a context that has the transaction and the trace of its headers: what [Options.Handler] does,
// for frameworks with a middleware of their own.
func (o Options) Request(r *http.Request) *http.Request {
	return r.WithContext(o.Extract(r.Context(), Header(r.Header), r.RemoteAddr))
}

// Transport returns a round tripper that tells those who are called the transaction and the trace of the request's
// context, if Only lets it, and has rt do the rest; nil is [http.DefaultTransport]. A host that Only refuses gets no
// xid even if the request has one already, as after a redirect.
func (o Options) Transport(rt http.RoundTripper) http.RoundTripper {
	if rt == nil {
		rt = http.DefaultTransport
	}
	return &transport{o: o, next: rt}
}

type transport struct {
	o    Options
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper]. The request is the caller's and is not changed.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	out := new(http.Request)
	*out = *r
	out.Header = r.Header.Clone()
	if out.Header == nil {
		out.Header = http.Header{}
	}
	t.o.Inject(r.Context(), Header(out.Header), r.URL.Hostname())
	return t.next.RoundTrip(out)
}

// CloseIdleConnections passes on what http.Client.CloseIdleConnections asks for.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
