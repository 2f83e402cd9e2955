package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/outbox"
)

// A shop tells of its orders.
func ExampleOutbox() {
	ctx := context.Background()
	db, err := sql.Open("mysql", os.Getenv("DSN")) // with the tables of migrations/client/0003_outbox.sql
	if err != nil {
		log.Fatal(err)
	}
	server, err := api.New(api.Options{Endpoints: []string{"https://concord.example:8088"}, Key: os.Getenv("API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	relay, err := outbox.NewRelay(outbox.RelayOptions{
		DB: db, Publisher: outbox.NewConcordPublisher(server, outbox.ConcordOptions{Application: "shop"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = relay.Run(ctx) }() // in each process; one of them works

	events := outbox.New("/shop")
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, "INSERT INTO orders (id) VALUES (?)", 7); err != nil {
		log.Fatal(err)
	}
	err = events.Add(ctx, tx, outbox.Event{
		Topic: "orders", Key: "customer 3", Type: "shop.order.placed", Subject: "order 7", Data: []byte(`{"total": 12}`),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		log.Fatal(err)
	}
	relay.Wake() // it need not wait for the next look
}

// Somebody counts them, each once.
func ExampleInbox() {
	db, err := sql.Open("mysql", os.Getenv("DSN"))
	if err != nil {
		log.Fatal(err)
	}
	server, err := api.New(api.Options{Endpoints: []string{"https://concord.example:8088"}, Key: os.Getenv("API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlfence.New(db, sqlfence.Options{})
	if err != nil {
		log.Fatal(err)
	}
	count := func(ctx context.Context, tx *sql.Tx, e outbox.Event) error {
		_, err := tx.ExecContext(ctx, "UPDATE statistics SET orders = orders + 1")
		return err
	}
	consumer, err := outbox.NewConsumer(outbox.ConsumerOptions{
		API: server, Group: "statistics", Topics: []string{"orders"},
		Handler: outbox.NewInbox(store, "statistics").Handler(count),
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = consumer.Run(context.Background())
}

// What comes from RocketMQ, or from an HTTP stream, is read alike: an event, or an array of them.
func ExampleDecode() {
	events, err := outbox.Decode([]byte(
		`[{"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "shop.order.placed", "data": {"total": 12}}]`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s %s\n", events[0].ID, events[0].Type, events[0].Data)
	// Output: e-1 shop.order.placed {"total": 12}
}
