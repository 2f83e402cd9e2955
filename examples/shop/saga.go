package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/saga"
)

// sagaBook takes part in sagas: the coordinator calls its service for each step, and for what undoes it. Nothing runs
// in a global transaction here, so take has nothing to do. It keeps its book in memory, as in mode tcc.
type sagaBook struct{ memory *memory }

func openSaga(_ context.Context, s *shop, _ *client.Client, service string) (book, error) {
	return &sagaBook{s.memory[service]}, nil
}

// take implements book.
func (b *sagaBook) take(context.Context, entry) error {
	return errors.New("in mode saga the coordinator asks for steps")
}

// state implements book.
func (b *sagaBook) state(context.Context) (state, error) { return b.memory.state(), nil }

func (b *sagaBook) close() error { return nil }

// steps lets a service take part in sagas, and has the order service begin them.
func steps(s *service, _ *running, mux *http.ServeMux) {
	m := s.shop.memory[s.name]
	mux.HandleFunc("POST /step", func(w http.ResponseWriter, q *http.Request) {
		var e entry
		if read(w, q, &e) {
			m.step(w, q, e)
		}
	})
	if s.name == orderService {
		sellRoute(mux, func() seller { return &director{shop: s.shop} })
	}
}

// step carries out a step, or undoes it. The coordinator asks as often as it takes, so that answers may get lost, and a
// compensation may come before its step: the fence has the answer to that.
func (m *memory) step(w http.ResponseWriter, q *http.Request, e entry) {
	branch, err := strconv.ParseInt(q.Header.Get("Concord-Branch"), 10, 64)
	if err != nil {
		http.Error(w, "a coordinator names the branch", http.StatusBadRequest)
		return
	}
	event, work := fence.Action, func(context.Context) error { return m.do(e) }
	if q.Header.Get("Concord-Operation") == "compensate" {
		event, work = fence.Compensation, func(context.Context) error { m.undo(e); return nil }
	}
	verdict, err := m.Guard(q.Context(), fence.Key{XID: q.Header.Get("Concord-Xid"), Branch: branch}, event, work)
	switch {
	case err != nil: // refused by the fence, or by the book: it never will be done
		http.Error(w, err.Error(), http.StatusConflict)
	case e.Lose && event == fence.Action && verdict == fence.Run:
		panic(http.ErrAbortHandler) // done, and nobody hears of it the first time
	default:
		answer(w, struct{}{})
	}
}

// sagaName is what the saga is called.
const sagaName = "shop-order"

// define writes the saga: three steps, each of which can be undone. The steps of the service itself are asked for over
// HTTP like those of the others.
func (s *shop) define(self string) *saga.Builder {
	peers := s.peers()
	step := func(service, url string, item, amount, lose saga.Expr) *saga.Step {
		body := saga.Map{"order": saga.E("input.order"), "item": item, "amount": amount, "lose": lose}
		return saga.Do(service, saga.POST(url+"/step", body)).Timeout(2 * time.Second).
			Compensate(saga.POST(url+"/step", body))
	}
	return saga.Define(sagaName).
		Input(saga.Map{"type": "object", "required": []string{"order", "customer", "product", "count"}}).
		Step(
			step(orderService, self, "input.product", "input.count", "false"),
			step(stockService, peers[stockService], "input.product", "input.count", "false"),
			step(accountService, peers[accountService], "input.customer",
				saga.E(fmt.Sprintf("input.count * %d", price)), "input.lose ?? false"),
		)
}

// director sells by having a saga run.
type director struct{ shop *shop }

// sell implements seller.
func (d *director) sell(ctx context.Context, p purchase) (receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, d.shop.patience)
	defer cancel()
	_, err := saga.Of[purchase, any](d.shop.sagas, sagaName).Run(ctx, p.Order, p)
	r := receipt{Why: why(err)}
	switch saga.OutcomeOf(err) {
	case saga.NotStarted:
		return r, err
	case saga.Done:
		r.Outcome = committed
	case saga.Compensated:
		r.Outcome = rolledBack
	default:
		r.Outcome = saga.OutcomeOf(err).String() // it goes on; who asks with the same key later is told
	}
	return r, nil
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// publishSaga makes the saga known to the coordinator. It changes nothing if it is.
func (s *shop) publishSaga(ctx context.Context) error {
	connection, err := api.New(api.Options{Endpoints: []string{s.api}})
	if err != nil {
		return err
	}
	s.sagas = saga.NewClient(connection)
	s.closers = append(s.closers, connection.Close)
	definition, err := s.define(s.services[orderService].url()).Build()
	if err != nil {
		return err
	}
	_, err = s.sagas.Publish(ctx, definition, "the shop has opened")
	return err
}
