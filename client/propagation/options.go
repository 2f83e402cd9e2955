package propagation

import (
	"context"
	"log/slog"

	"github.com/concord-tx/concord/client"
)

// Inject is [Inject] for a call to host, if Only lets it; otherwise whatever c has of a transaction is taken away, and
// only the trace is written. Those who carry xids by means that this module does not know begin here.
func (o Options) Inject(ctx context.Context, c Carrier, host string) {
	only := o.Only
	if only == nil {
		only = Own
	}
	if only(host) {
		Inject(ctx, c)
		return
	}
	Remove(c)
	if client.XID(ctx) != "" {
		o.log().InfoContext(ctx, "xid is not sent to this host", "host", host)
	}
	Inject(client.WithXID(ctx, ""), c)
}

// Extract is [Extract] for a call by peer, if Accept lets it; otherwise only the trace is read. What is wrong with an
// xid is told to Logger.
func (o Options) Extract(ctx context.Context, c Carrier, peer string) context.Context {
	before := client.XID(ctx)
	ctx, err := Extract(ctx, c)
	switch {
	case err != nil:
		o.log().WarnContext(ctx, "xid is ignored", "peer", peer, "err", err)
	case client.XID(ctx) != before && o.Accept != nil && !o.Accept(ctx, peer):
		o.log().WarnContext(ctx, "xid is not accepted from this peer", "peer", peer)
		ctx = client.WithXID(ctx, before)
	}
	return ctx
}

func (o Options) log() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}
