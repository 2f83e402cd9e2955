package saga_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/saga"
)

// Order and Receipt are what goes in and what comes out.
type (
	Order struct {
		ID    string `json:"id"`
		Total int    `json:"total"`
	}
	Receipt struct {
		Paid int `json:"paid"`
	}
)

// A saga with a step that can be undone, and one behind which there is no way back.
func ExampleDefine() {
	d, err := saga.Define("order").
		Step(
			saga.Do("reserve", saga.POST("https://stock.example/reservations", saga.Map{"order": saga.E("input.id")})).
				Compensate(saga.DELETE("https://stock.example/reservations/${input.id}")),
			saga.Do("pay", saga.Task("charge", saga.E("input"))).Pivot(),
		).
		Output(saga.Map{"paid": saga.E("steps.pay.output.paid")}).
		Build()
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range d.Steps {
		fmt.Println(s.ID, s.Kind, s.Compensate != nil, s.Pivot)
	}
	// Output:
	// reserve call true false
	// pay worker false true
}

// A run with types of one's own, and its three ends.
func ExampleSaga_Start() {
	server, err := api.New(api.Options{Endpoints: []string{"http://127.0.0.1:8088"}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	orders := saga.Of[Order, Receipt](saga.NewClient(server), "order")
	run, err := orders.Start(ctx, "order-7", Order{ID: "7", Total: 12}) // the same key again is the same run
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := run.Await(ctx)
	var undone *saga.CompensatedError
	switch {
	case err == nil:
		fmt.Println("paid", receipt.Paid)
	case errors.As(err, &undone):
		fmt.Println("undone:", undone.Failure)
	default:
		fmt.Println("it goes on:", err) // Attach and Await again, in another process perhaps
	}
}
