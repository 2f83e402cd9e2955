package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
)

// service is one of the three: an HTTP server, a connection to the coordinator, and a book.
type service struct {
	name  string
	shop  *shop
	mu    sync.Mutex
	addr  string // HOST:PORT, the same after a restart
	alive *running
}

// running is what ends with a kill.
type running struct {
	server *http.Server
	client *client.Client
	book   book
	served chan struct{}
}

// start makes the service answer. It returns when the coordinator knows it.
func (s *service) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := client.Open(ctx, client.Options{
		Application: "shop-" + s.name, Nodes: client.Static(strings.Split(s.shop.seata, ",")...), CloseWait: time.Second,
		ReconnectMax: time.Second,
	})
	if err != nil {
		return err
	}
	r := &running{client: c, served: make(chan struct{})}
	if r.book, err = s.shop.mode.open(ctx, s.shop, c, s.name); err != nil {
		return errors.Join(err, c.Close())
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return errors.Join(err, r.book.close(), c.Close())
	}
	s.addr = l.Addr().String()
	r.server = &http.Server{Handler: s.handler(r), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(r.served)
		_ = r.server.Serve(l)
	}()
	s.alive = r
	return nil
}

// stop ends the service at once: connections are cut, what was under way is not finished. Starting it again goes on
// where its book has got to.
func (s *service) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.alive
	if r == nil {
		return
	}
	s.alive = nil
	_ = r.server.Close()
	<-r.served
	_ = r.client.Close()
	_ = r.book.close()
}

// url is where the others find it.
func (s *service) url() string { return "http://" + s.addr }

// handler is what the service answers.
func (s *service) handler(r *running) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /book", func(w http.ResponseWriter, q *http.Request) {
		got, err := r.book.state(q.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, got)
	})
	mux.HandleFunc("POST /take", func(w http.ResponseWriter, q *http.Request) {
		var e entry
		if !read(w, q, &e) {
			return
		}
		switch err := r.book.take(q.Context(), e); {
		case errors.Is(err, errRefused):
			http.Error(w, err.Error(), http.StatusConflict)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		case e.Lose:
			panic(http.ErrAbortHandler) // done, and nobody hears of it
		default:
			answer(w, struct{}{})
		}
	})
	s.shop.mode.routes(s, r, mux)
	return propagation.Handler(mux)
}

// sellRoute lets the order service take orders.
func sellRoute(mux *http.ServeMux, from func() seller) {
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, q *http.Request) {
		var p purchase
		if !read(w, q, &p) {
			return
		}
		got, err := from().sell(q.Context(), p)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		answer(w, got)
	})
}

func read(w http.ResponseWriter, q *http.Request, into any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, q.Body, 64<<10)).Decode(into)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
