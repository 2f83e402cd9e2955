package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/concord-tx/concord/client"
)

// mode is a way to take part in a transaction.
type mode struct {
	name string
	sql  bool // it needs a database server
	// open opens the book of a service.
	open func(ctx context.Context, s *shop, c *client.Client, service string) (book, error)
	// routes adds what a service answers in this mode besides /take and /book.
	routes func(s *service, r *running, mux *http.ServeMux)
	// opened, if it is there, is called once when the order service has started.
	opened func(s *shop, ctx context.Context) error
}

// modeOf returns a mode by its name.
func modeOf(name string) (mode, error) {
	switch name {
	case "at":
		return mode{name: name, sql: true, open: inSQL(openAT), routes: launched}, nil
	case "xa":
		return mode{name: name, sql: true, open: inSQL(openXA), routes: launched}, nil
	case "tcc":
		return mode{name: name, open: openTCC, routes: launched}, nil
	case "saga":
		return mode{name: name, open: openSaga, routes: steps, opened: (*shop).publishSaga}, nil
	}
	return mode{}, fmt.Errorf("--mode is %q; there are at, xa, tcc and saga", name)
}

// inSQL opens a book in the service's database.
func inSQL(open func(context.Context, *client.Client, string, string) (book, error),
) func(context.Context, *shop, *client.Client, string) (book, error) {
	return func(ctx context.Context, s *shop, c *client.Client, service string) (book, error) {
		return open(ctx, c, service, s.databases.dsn(service))
	}
}

// launched lets the order service begin and end the transactions.
func launched(s *service, r *running, mux *http.ServeMux) {
	if s.name == orderService {
		l := newLauncher(r.client, r.book, s.shop.peers(), s.shop.patience)
		sellRoute(mux, func() seller { return l })
	}
}
