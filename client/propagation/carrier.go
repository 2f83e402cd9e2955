package propagation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/tc/seata"
)

// Names under which a carrier has what is carried.
const (
	// KeyXID is Seata's name. RootContext.java: KEY_XID; seata-go pkg/constant: XidKey.
	KeyXID = "TX_XID"
	// KeyXIDPlain is the same for proxies that drop names with an underscore.
	KeyXIDPlain = "X-Tx-Xid"
	// KeyBranchType is Seata's name for the type of the caller's branch. RootContext.java: KEY_BRANCH_TYPE. It is read and
	// not written, see [CallerBranchType].
	KeyBranchType = "TX_BRANCH_TYPE"
)

// alsoXID are names that are read and not written: dashes where a proxy has mended the name, and what seata-go's
// RocketMQ and Dubbo use.
func alsoXID() []string { return []string{"Tx-Xid", "SEATA_XID"} }

// XIDBytesMax is the length of the longest xid that is accepted, which is what Seata's tables hold.
const XIDBytesMax = 128

// Carrier is what a call or a message has for values with names: headers, metadata, properties, attributes.
type Carrier interface {
	// Get returns the value, or "" if there is none. If there are several that differ, it returns them all, joined by
	// commas, which no xid contains. Whether case matters is the carrier's business.
	Get(key string) string
	// Set replaces the value. An empty value takes it away.
	Set(key, value string)
}

// Header is the headers of HTTP as a [Carrier].
type Header http.Header

// Get implements [Carrier].
func (h Header) Get(key string) string { return One(http.Header(h).Values(key)) }

// Set implements [Carrier].
func (h Header) Set(key, value string) {
	if value == "" {
		http.Header(h).Del(key)
		return
	}
	http.Header(h).Set(key, value)
}

// One returns the one value that a name has, "" if none, and all of them joined by commas if they differ. It is what
// [Carrier.Get] needs where a name can have several values.
func One(values []string) string {
	for i := 1; i < len(values); i++ {
		if values[i] != values[0] {
			return strings.Join(values, ",")
		}
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// traced is a carrier as OpenTelemetry wants it.
type traced struct{ Carrier }

// Keys names what may be there.
func (traced) Keys() []string { return []string{"traceparent", "tracestate"} }

// Inject writes the transaction and the trace of ctx into c: nothing of what ctx does not have, and no trace if c has
// one. The xid replaces one that c has. An xid that [Check] would not accept is not written.
func Inject(ctx context.Context, c Carrier) {
	if xid := client.XID(ctx); xid != "" && Check(xid) == nil {
		c.Set(KeyXID, xid)
		c.Set(KeyXIDPlain, xid)
		for _, name := range alsoXID() {
			c.Set(name, "")
		}
	}
	if c.Get("traceparent") == "" {
		propagation.TraceContext{}.Inject(ctx, traced{c})
	}
}

// Extract returns ctx with the transaction and the trace that c has. A trace that ctx has already stays: somebody else
// has read it, and may be in a span of it. A carrier without an xid leaves that of ctx.
//
// The error is an [InvalidError] if there is an xid that cannot be one. The context is good nevertheless: it has the
// trace, and the transaction that it had before.
func Extract(ctx context.Context, c Carrier) (context.Context, error) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = propagation.TraceContext{}.Extract(ctx, traced{c})
	}
	xid, err := xidOf(c)
	if xid == "" || err != nil {
		return ctx, err
	}
	ctx = client.WithXID(ctx, xid)
	if _, ok := BranchType(ctx); ok {
		ctx = WithBranchType(ctx, seata.BranchAT) // it was about another transaction
	}
	for _, t := range []seata.BranchType{seata.BranchAT, seata.BranchTCC, seata.BranchSaga, seata.BranchXA} {
		if c.Get(KeyBranchType) == t.String() {
			ctx = context.WithValue(ctx, callerKey{}, t)
		}
	}
	return ctx, nil
}

// TraceParent returns the trace of ctx as W3C's traceparent, "" if it has none. Concord's coordinator finds it in the
// application data of a branch, a JSON object with the key "traceparent", and puts its own spans below it: Seata's
// protocol has no other place.
func TraceParent(ctx context.Context) string {
	h := Header{}
	propagation.TraceContext{}.Inject(ctx, traced{h})
	return h.Get("traceparent")
}

// Remove takes away from c all that [Inject] may have written of a transaction. The trace stays.
func Remove(c Carrier) {
	for _, name := range append(alsoXID(), KeyXID, KeyXIDPlain, KeyBranchType) {
		if c.Get(name) != "" {
			c.Set(name, "")
		}
	}
}

// xidOf returns the xid of a carrier, "" if it has none.
func xidOf(c Carrier) (string, error) {
	found := ""
	for _, name := range append([]string{KeyXID, KeyXIDPlain}, alsoXID()...) {
		xid := c.Get(name)
		if xid == "" {
			continue
		}
		if err := Check(xid); err != nil {
			return "", &InvalidError{Key: name, Err: err}
		}
		if found != "" && xid != found {
			return "", &InvalidError{Key: name, Err: errors.New("it differs from the one under another name")}
		}
		found = xid
	}
	return found, nil
}

// InvalidError means that what came as an xid cannot be one. Its text does not repeat the value.
type InvalidError struct {
	// Key is the name that it was under.
	Key string
	// Err is what is wrong with it.
	Err error
}

// Error says what is wrong.
func (e *InvalidError) Error() string { return fmt.Sprintf("xid in %s: %v", e.Key, e.Err) }

// Unwrap returns what is wrong.
func (e *InvalidError) Unwrap() error { return e.Err }

// Check reports what keeps text from being an xid: host, port, and a positive number, with colons between them. A host
// has letters, digits and "-._:[]%"; all together has at most [XIDBytesMax] bytes.
func Check(text string) error {
	if len(text) > XIDBytesMax {
		return fmt.Errorf("it has %d bytes, %d are the most", len(text), XIDBytesMax)
	}
	rest, number, ok := cutLast(text)
	if !ok {
		return errors.New("it has not the form host:port:number")
	}
	host, port, ok := cutLast(rest)
	if !ok || host == "" {
		return errors.New("it has not the form host:port:number")
	}
	if !positive(number, 64) {
		return errors.New("its last part is not a positive number")
	}
	if !positive(port, 17) { // 17 bits with the sign
		return errors.New("its port is not a number from 1 to 65535")
	}
	for i := range len(host) {
		c := host[i] | 0x20
		if (c < 'a' || c > 'z') && !strings.ContainsRune("0123456789-._:[]%", rune(host[i])) {
			return errors.New("its host has a character that hosts do not have")
		}
	}
	return nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// positive reports whether s is a number above zero in plain digits, without sign or leading zero.
func positive(s string, bits int) bool {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return false
	}
	_, err := strconv.ParseInt(s, 10, bits)
	return err == nil
}

type branchTypeKey struct{}

// WithBranchType returns a context that says of what type the branch is that is being worked in: the try of a TCC
// action has seata.BranchTCC, so that drivers do not make a second branch of what it does itself. It holds in this
// process, and is told to nobody: what others do at its request is theirs to undo.
func WithBranchType(ctx context.Context, t seata.BranchType) context.Context {
	return context.WithValue(ctx, branchTypeKey{}, t)
}

// BranchType returns the type that [WithBranchType] has said; ok is false if nobody has.
func BranchType(ctx context.Context) (t seata.BranchType, ok bool) {
	t, ok = ctx.Value(branchTypeKey{}).(seata.BranchType)
	return t, ok
}

type callerKey struct{}

// CallerBranchType returns of what type the caller's branch is, if the caller was Seata's and said so, as its filters
// for gRPC and Dubbo do. Nothing follows from it by itself. TCC means that the caller has registered a TCC branch for
// what it calls: a service that implements such a Java interface continues with [WithBranchType]; any other would lose
// the undo of what it does.
func CallerBranchType(ctx context.Context) (t seata.BranchType, ok bool) {
	t, ok = ctx.Value(callerKey{}).(seata.BranchType)
	return t, ok
}
