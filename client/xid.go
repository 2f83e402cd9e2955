package client

import "context"

type xidKey struct{}

// WithXID returns a context of the global transaction xid, "host:port:number". An empty xid takes the transaction away:
// what is done with the returned context is in none.
func WithXID(ctx context.Context, xid string) context.Context {
	return context.WithValue(ctx, xidKey{}, xid)
}

// XID returns the global transaction of a context, or "" if there is none.
func XID(ctx context.Context) string {
	xid, _ := ctx.Value(xidKey{}).(string)
	return xid
}
