package tm_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/tm"
)

// A launcher: what order and pay do with their context is committed together, or not at all.
func ExampleManager_Run() {
	var c tm.Coordinator = newFake() // c, err := client.Open(ctx, client.Options{...})
	tx := tm.New(c)

	order := func(ctx context.Context) error {
		fmt.Println("order in a transaction:", client.XID(ctx) != "")
		return nil
	}
	pay := func(context.Context) error { return errors.New("no funds") }

	o := tm.Options{Name: "buy", Timeout: 10 * time.Second}
	err := tx.Run(context.Background(), o, func(ctx context.Context) error {
		if err := order(ctx); err != nil {
			return err
		}
		return pay(ctx)
	})
	switch tm.OutcomeOf(err) {
	case tm.Committed:
		fmt.Println("bought")
	case tm.RolledBack:
		fmt.Println("not bought:", errors.Unwrap(err))
	case tm.Unknown:
		fmt.Println("ask later:", err)
	}
	// Output:
	// order in a transaction: true
	// not bought: no funds
}

// An unknown outcome is found out later, by any process.
func ExampleManager_Resume() {
	var c tm.Coordinator = newFake()
	tx := tm.New(c)
	_ = tx.Run(context.Background(), tm.Options{Name: "buy"}, func(context.Context) error { return nil })

	status, err := tx.Resume("127.0.0.1:8091:1").Status(context.Background())
	if err != nil {
		return // not yet
	}
	outcome, progress := tm.Classify(status)
	fmt.Println(outcome, progress)
	// Output: committed done
}
