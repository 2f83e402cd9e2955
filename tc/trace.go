package tc

import (
	"strings"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// traceKey names a traceparent in a branch's application data.
const traceKey = `"traceparent"`

// traceLookBytes bounds what is searched: application data may be megabytes.
const traceLookBytes = 64 << 10

// traceIn returns the W3C traceparent that a client has put into a branch's application data, "" if it has not. Seata's
// protocol has no place for one, but applications can bring it there: what a TCC action takes as a context parameter of
// this name is in the data as {"actionContext":{"traceparent":"00-..."}}. Any object of a JSON text will do; the first
// one counts. Seata 2.x ActionInterceptorHandler.java: doTxActionLogStore.
func traceIn(data string) string {
	_, rest, found := strings.Cut(data[:min(len(data), traceLookBytes)], traceKey)
	if !found {
		return ""
	}
	rest = strings.TrimLeft(rest, " \t\r\n")
	rest, found = strings.CutPrefix(rest, ":")
	if !found {
		return ""
	}
	rest, found = strings.CutPrefix(strings.TrimLeft(rest, " \t\r\n"), `"`)
	trace, _, closed := strings.Cut(rest, `"`)
	if !found || !closed || !txn.ValidTrace(trace) {
		return ""
	}
	return strings.Clone(trace) // data may be much longer
}
