package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/concord-tx/concord/client/propagation"
	"github.com/concord-tx/concord/client/tm"
)

// purchase is what a customer asks of the order service.
type purchase struct {
	Order    string `json:"order"`
	Customer string `json:"customer"`
	Product  string `json:"product"`
	Count    int64  `json:"count"`
	Lose     bool   `json:"lose,omitempty"` // the answer of the account service is lost
}

// receipt is the answer: what became of it.
type receipt struct {
	Outcome string `json:"outcome"` // as tm.Outcome says it
	Why     string `json:"why,omitempty"`
}

// seller carries out purchases.
type seller interface {
	sell(ctx context.Context, p purchase) (receipt, error)
}

// patience is how long one purchase may take, unless a shop says otherwise.
const patience = 15 * time.Second

// launcher sells in a global transaction of its own, in the modes AT, XA and TCC. What is done in it is the same in all
// of them.
type launcher struct {
	manager *tm.Manager
	orders  book
	peers   map[string]string // base URLs of the other services
	web     *http.Client
	within  time.Duration
}

func newLauncher(c tm.Coordinator, orders book, peers map[string]string, within time.Duration) *launcher {
	return &launcher{
		manager: tm.New(c), orders: orders, peers: peers, within: within,
		web: &http.Client{Transport: propagation.Transport(nil), Timeout: within},
	}
}

// sell implements seller.
func (l *launcher) sell(ctx context.Context, p purchase) (receipt, error) {
	err := l.manager.Run(ctx, tm.Options{Name: "order", Timeout: l.within}, func(ctx context.Context) error {
		if err := l.orders.take(ctx, entry{Order: p.Order, Item: p.Product, Amount: p.Count}); err != nil {
			return err
		}
		goods := entry{Order: p.Order, Item: p.Product, Amount: p.Count}
		if err := l.call(ctx, stockService, goods); err != nil {
			return err
		}
		money := entry{Order: p.Order, Item: p.Customer, Amount: p.Count * price, Lose: p.Lose}
		return l.call(ctx, accountService, money)
	})
	outcome := tm.OutcomeOf(err)
	if outcome == 0 {
		return receipt{}, err // not begun
	}
	r := receipt{Outcome: outcome.String()}
	if err != nil {
		r.Why = err.Error()
	}
	return r, nil
}

// call asks another service to do its part in the transaction of ctx.
func (l *launcher) call(ctx context.Context, service string, e entry) error {
	return post(ctx, l.web, l.peers[service]+"/take", e, nil)
}

// post sends JSON, and reads an answer of 200 into out unless that is nil.
func post(ctx context.Context, web *http.Client, url string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := web.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	switch {
	case err != nil:
		return err
	case answer.StatusCode == http.StatusConflict:
		return fmt.Errorf("%w: %s", errRefused, strings.TrimSpace(string(text)))
	case answer.StatusCode != http.StatusOK:
		return errors.New(answer.Status + ": " + strings.TrimSpace(string(text)))
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}
