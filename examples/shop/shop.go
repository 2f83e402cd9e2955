package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/concord-tx/concord/client/saga"
)

// shop is three services and the coordinator that they use.
type shop struct {
	mode       mode
	seata, api string // the coordinator: HOST:PORT for clients, base URL of the API
	databases  *databases
	memory     map[string]*memory // of the modes without databases, by service; it survives a stop as a database does
	services   map[string]*service
	others     map[string]string // base URLs of services that run elsewhere
	patience   time.Duration     // how long one purchase may take
	sagas      *saga.Client      // in mode saga
	closers    []func() error
}

func newShop(m mode, seata, api string, d *databases) *shop {
	s := &shop{
		mode: m, seata: seata, api: api, databases: d, patience: patience,
		services: map[string]*service{}, memory: map[string]*memory{},
	}
	for _, name := range services() {
		s.memory[name] = newMemory(name)
	}
	return s
}

// start starts services, those that others call first. Each listens on a free port of loopback unless it has an
// address.
func (s *shop) start(ctx context.Context, addresses map[string]string) error {
	for _, name := range []string{accountService, stockService, orderService} {
		address, wanted := addresses[name]
		if !wanted {
			continue
		}
		one := &service{name: name, shop: s, addr: address}
		s.services[name] = one
		if err := one.start(ctx); err != nil {
			s.stop()
			return fmt.Errorf("start the %s service: %w", name, err)
		}
	}
	if s.services[orderService] != nil && s.mode.opened != nil {
		if err := s.mode.opened(s, ctx); err != nil {
			s.stop()
			return err
		}
	}
	return nil
}

// everywhere are addresses for all services, on free ports.
func everywhere() map[string]string {
	all := map[string]string{}
	for _, name := range services() {
		all[name] = "127.0.0.1:0"
	}
	return all
}

func (s *shop) stop() {
	for _, one := range s.services {
		one.stop()
	}
	for _, end := range s.closers {
		_ = end()
	}
	s.closers = nil
}

// peers are the base URLs of all services.
func (s *shop) peers() map[string]string {
	all := map[string]string{}
	for name, url := range s.others {
		all[name] = url
	}
	for name, one := range s.services {
		all[name] = one.url()
	}
	return all
}

// trouble stops a service at random, and starts it again a moment later, each time that a period is over.
func (s *shop) trouble(ctx context.Context, every time.Duration, out io.Writer) {
	for wait(ctx, every); ctx.Err() == nil; wait(ctx, every) {
		name := services()[rand.N(len(services()))]
		_, _ = fmt.Fprintf(out, "The %s service is cut off.\n", name)
		s.services[name].stop()
		wait(ctx, time.Second)
		for {
			err := s.services[name].start(context.WithoutCancel(ctx))
			if err == nil {
				break
			}
			_, _ = fmt.Fprintf(out, "The %s service does not start: %v\n", name, err)
			wait(context.WithoutCancel(ctx), time.Second)
		}
	}
}

// settled waits until the books are right, which they are when all transactions have ended. The error says what is
// wrong if they never are.
func settled(ctx context.Context, urls map[string]string, h *history, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var wrong error
	for {
		all, err := books(ctx, urls)
		if err == nil {
			if err = judge(all, h); err == nil {
				return nil
			}
		}
		if ctx.Err() != nil {
			return errors.Join(wrong, err)
		}
		wrong = err
		wait(ctx, 100*time.Millisecond)
	}
}
