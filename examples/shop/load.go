package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// load is what customers do.
type load struct {
	orders       int // how many; 0: until the context ends
	clerks       int // how many at once
	refuse, lose float64
	pause        time.Duration // of each clerk between two orders
	prefix       string        // of the orders' names
}

// history is what customers were told.
type history struct {
	mu   sync.Mutex
	told map[string]string // outcome by order; "" if nobody answered
	last string            // reason of an order that was not committed
}

func newHistory() *history { return &history{told: map[string]string{}} }

func (h *history) note(order, outcome, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told[order] = outcome
	if why != "" {
		h.last = why
	}
}

// count returns how many orders were told to have an outcome.
func (h *history) count(outcome string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, told := range h.told {
		if told == outcome {
			n++
		}
	}
	return n
}

// The outcomes that customers are told; "" is no answer at all.
const (
	committed  = "committed"
	rolledBack = "rolled back"
)

// run places orders at a shop.
func (l load) run(ctx context.Context, orders string, h *history) {
	web := &http.Client{Timeout: 2 * patience}
	defer web.CloseIdleConnections()
	next := make(chan int)
	var clerks sync.WaitGroup
	for range l.clerks {
		clerks.Go(func() {
			for n := range next {
				l.place(ctx, web, orders, n, h)
				wait(ctx, l.pause)
			}
		})
	}
	for n := 0; (l.orders == 0 || n < l.orders) && ctx.Err() == nil; n++ {
		select {
		case next <- n:
		case <-ctx.Done():
		}
	}
	close(next)
	clerks.Wait()
}

// place places one order. Once begun it is waited for, so that its outcome is known.
func (l load) place(ctx context.Context, web *http.Client, orders string, n int, h *history) {
	p := purchase{
		Order: fmt.Sprintf("%s%06d", l.prefix, n), Product: itemName(stockService, rand.N(items)),
		Customer: itemName(accountService, rand.N(items)), Count: 1 + rand.N(int64(3)), Lose: rand.Float64() < l.lose,
	}
	if rand.Float64() < l.refuse {
		p.Customer = "nobody" // has no account
	}
	var r receipt
	err := post(context.WithoutCancel(ctx), web, orders+"/orders", p, &r)
	if err != nil {
		r.Why = err.Error()
	}
	h.note(p.Order, r.Outcome, r.Why)
	if r.Outcome == "" {
		wait(ctx, 100*time.Millisecond) // the shop is closed
	}
}

// wait waits, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// judge compares the three books with each other, with what there was at the beginning, and with what customers were
// told. It returns what is wrong; nothing may be, once all transactions have ended.
func judge(books map[string]state, h *history) error {
	var wrong []error
	orders := books[orderService].Entries
	for _, service := range []string{stockService, accountService} {
		times := int64(1)
		if service == accountService {
			times = price
		}
		var taken int64
		for id, amount := range books[service].Entries {
			taken += amount
			if ordered, ok := orders[id]; !ok || ordered*times != amount {
				wrong = append(wrong, fmt.Errorf("%s has taken %d for order %s of %d", service, amount, id, ordered))
			}
		}
		if len(orders) > len(books[service].Entries) {
			wrong = append(wrong, fmt.Errorf("%s knows %d of %d orders", service, len(books[service].Entries), len(orders)))
		}
		if left := books[service].Left; left+taken != items*atOnce {
			wrong = append(wrong, fmt.Errorf("%s has %d left and %d taken, that is not %d", service, left, taken, items*atOnce))
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(h.told)) {
		_, there := orders[id]
		if told := h.told[id]; told == committed && !there || told == rolledBack && there {
			wrong = append(wrong, fmt.Errorf("order %s was told to be %s, and that is not so", id, told))
		}
	}
	if len(wrong) > 10 {
		wrong = append(wrong[:10], fmt.Errorf("and %d more", len(wrong)-10))
	}
	return errors.Join(wrong...)
}

// books asks the three services for their books.
func books(ctx context.Context, urls map[string]string) (map[string]state, error) {
	all := map[string]state{}
	for name, url := range urls {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/book", nil)
		if err != nil {
			return nil, err
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		var s state
		if err == nil && answer.StatusCode != http.StatusOK {
			err = errors.New(strings.TrimSpace(string(text)))
		}
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err != nil {
			return nil, fmt.Errorf("book of %s: %w", name, err)
		}
		all[name] = s
	}
	return all, nil
}
