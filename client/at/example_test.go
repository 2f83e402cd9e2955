package at_test

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/at"
	"github.com/concord-tx/concord/client/tm"
)

// A service that takes money from an account, in the global transaction of whoever calls it.
func ExampleOpenDB() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	c, err := client.Open(ctx, client.Options{Application: "account", Nodes: client.Static("127.0.0.1:8091")})
	if err != nil {
		fmt.Println("no coordinator") // here, where none runs
		return
	}
	defer func() { _ = c.Close() }()
	db, err := at.OpenDB(ctx, c, "shop@tcp(127.0.0.1:3306)/account", at.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	err = tm.New(c).Run(ctx, tm.Options{Name: "pay"}, func(ctx context.Context) error {
		// The context carries the xid: this is a branch, and is undone if the function returns an error.
		_, err := db.ExecContext(ctx, "UPDATE account SET balance = balance - ? WHERE id = ?", 100, 7)
		return err
	})
	fmt.Println(err)
	// Output: no coordinator
}
