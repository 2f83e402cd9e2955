package main

import (
	"context"
	"errors"
	"fmt"
)

// The three services.
const (
	orderService   = "order"
	stockService   = "stock"
	accountService = "account"
)

// services are all of them, in the order in which an order is carried out.
func services() []string { return []string{orderService, stockService, accountService} }

// What there is at the beginning.
const (
	items  = 10        // goods are item-0 to item-9, customers customer-0 to customer-9
	atOnce = 1_000_000 // of each
	price  = 10        // of each of the goods
)

// entry is what one service does for one order.
type entry struct {
	Order  string `json:"order"`
	Item   string `json:"item"`   // a product, or a customer
	Amount int64  `json:"amount"` // how much is taken; the order service only notes it
	// Lose has the service do its work and lose the answer.
	Lose bool `json:"lose,omitempty"`
}

// book is what a service keeps: how much is left of each item, and an entry for each order. take runs in the global
// transaction of its context.
type book interface {
	take(ctx context.Context, e entry) error
	// state is what is left of all items together, and the amount that each order has taken. What belongs to
	// transactions that have not ended may or may not be in it.
	state(ctx context.Context) (state, error)
	close() error
}

// state is what a book says when it is asked.
type state struct {
	Left    int64            `json:"left"`
	Entries map[string]int64 `json:"entries"`
}

// errRefused means that it cannot be taken, and that trying again does not help.
var errRefused = errors.New("refused")

// refuse says that an item is not there.
func refuse(e entry) error { return fmt.Errorf("%w: %s has no %d left", errRefused, e.Item, e.Amount) }

// itemName is what an item of a service is called.
func itemName(service string, i int) string {
	if service == accountService {
		return fmt.Sprintf("customer-%d", i)
	}
	return fmt.Sprintf("item-%d", i)
}
