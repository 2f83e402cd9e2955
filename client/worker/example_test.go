package worker_test

import (
	"context"
	"database/sql"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/worker"
)

// Bill is what a task gets.
type Bill struct {
	Account string `json:"account"`
	Amount  int    `json:"amount"`
}

// Paid is what it gives.
type Paid struct {
	Paid int `json:"paid"`
}

// A worker for a task and for what undoes it. Its effects are in a database, and happen once.
func ExampleWorker() {
	server, err := api.New(api.Options{Endpoints: []string{"https://concord.example:8088"}, Key: os.Getenv("API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open("mysql", os.Getenv("DSN"))
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlfence.New(db, sqlfence.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fence := worker.NewFence(db, store)
	charge := func(ctx context.Context, tx *sql.Tx, t *worker.Task, b Bill) (Paid, error) {
		result, err := tx.ExecContext(ctx,
			"UPDATE account SET balance = balance - ? WHERE id = ? AND balance >= ?", b.Amount, b.Account, b.Amount)
		if err != nil {
			return Paid{}, worker.Retry(time.Second, err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return Paid{}, worker.Fail("there is not enough money") // the saga is compensated
		}
		return Paid{b.Amount}, nil
	}
	refund := func(ctx context.Context, tx *sql.Tx, t *worker.Task, b Bill) (any, error) {
		_, err := tx.ExecContext(ctx, "UPDATE account SET balance = balance + ? WHERE id = ?", b.Amount, b.Account)
		return nil, err
	}
	w, err := worker.New(worker.Options{API: server, Logger: slog.Default()}, map[string]worker.Handler{
		"charge": worker.Fenced(fence, charge),
		"refund": worker.Fenced(fence, refund),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	_ = w.Run(ctx) // until ctx ends and what is under way is finished
}
