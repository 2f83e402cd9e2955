package main

import (
	"context"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/tcc"
)

// tccBook takes part by try, confirm and cancel. It keeps its book in memory, so that the shop needs no database; with
// one, the fence is client/fence/sqlfence, and the three functions write in the local transaction that it gives them.
type tccBook struct {
	memory  *memory
	service *tcc.Service[entry]
}

func openTCC(ctx context.Context, s *shop, c *client.Client, service string) (book, error) {
	m := s.memory[service]
	bound, err := tcc.Bind(ctx, c, tcc.Action[entry]{
		Name:    "shop-" + service,
		Try:     func(_ context.Context, _ *tcc.Context, e entry) error { return m.try(e) },
		Confirm: func(_ context.Context, _ *tcc.Context, e entry) error { m.confirm(e); return nil },
		Cancel:  func(_ context.Context, _ *tcc.Context, e entry) error { m.cancel(e); return nil },
	}, tcc.WithFence(m))
	if err != nil {
		return nil, err
	}
	return &tccBook{memory: m, service: bound}, nil
}

// take implements book.
func (b *tccBook) take(ctx context.Context, e entry) error { return b.service.Try(ctx, e) }

// state implements book.
func (b *tccBook) state(context.Context) (state, error) { return b.memory.state(), nil }

func (b *tccBook) close() error {
	b.service.Close()
	return nil
}
