package message_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/fence/httpfence"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/message"
)

// An order is placed, and the stock is told of it if, and only if, it is.
func ExampleSender_Do() {
	server, err := api.New(api.Options{Endpoints: []string{"https://concord.example:8088"}, Key: os.Getenv("API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open("mysql", os.Getenv("DSN"))
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlfence.New(db, sqlfence.Options{}) // its table: migrations/client/0002_tcc_fence_log.sql
	if err != nil {
		log.Fatal(err)
	}
	secrets := [][]byte{[]byte(os.Getenv("CALLBACK_SECRET"))} // callback.secrets of the server
	http.Handle("/concord/check", message.CheckHandler(store, message.CheckOptions{
		Verify: func(r *http.Request, body []byte) error { return httpfence.Verify(r, body, secrets, time.Now()) },
	}))
	sender, err := message.New(message.Options{
		API: server, Store: store, CheckURL: "https://shop.example/concord/check", Application: "shop",
	})
	if err != nil {
		log.Fatal(err)
	}
	err = sender.Do(context.Background(), db, message.Message{
		Name: "order placed", Deliveries: []message.Delivery{
			{URL: "https://stock.example/reserve", Payload: map[string]any{"sku": 7}},
			{Topic: "mails", Payload: "order 7"},
		},
	}, func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO orders (id) VALUES (?)", 7)
		return err
	})
	switch message.OutcomeOf(err) {
	case message.Sent:
		fmt.Println("placed; the others will know")
	case message.RolledBack:
		fmt.Println("not placed, and never will be:", err)
	default:
		fmt.Println("look again later:", err)
	}
}
