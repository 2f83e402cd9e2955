package tcc_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/fence/fencetest"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/tcc"
)

// Transfer is what the action of the example is called with.
type Transfer struct {
	Account string `json:"account"`
	Cents   int64  `json:"cents"`
}

// A service sets money aside, and takes it or gives it back when the transaction is decided. The fence's row is in the
// same local transaction as the account's.
func ExampleBind() {
	deduct := func(ctx context.Context, c *client.Client, db *sql.DB) (*tcc.Service[Transfer], error) {
		store, err := sqlfence.New(db, sqlfence.Options{})
		if err != nil {
			return nil, err
		}
		change := func(query string) tcc.Func[Transfer] {
			return func(ctx context.Context, _ *tcc.Context, t Transfer) error {
				result, err := sqlfence.Tx(ctx).ExecContext(ctx, query, t.Cents, t.Cents, t.Account, t.Cents)
				if err != nil {
					return err
				}
				if n, err := result.RowsAffected(); err != nil || n == 0 {
					return errors.Join(err, fmt.Errorf("account %s has too little", t.Account))
				}
				return nil
			}
		}
		return tcc.Bind(ctx, c, tcc.Action[Transfer]{
			Name:    "deduct",
			Try:     change("UPDATE account SET free = free - ?, held = held + ? WHERE id = ? AND free >= ?"),
			Confirm: change("UPDATE account SET held = held - ?, spent = spent + ? WHERE id = ? AND held >= ?"),
			Cancel:  change("UPDATE account SET held = held - ?, free = free + ? WHERE id = ? AND held >= ?"),
		}, tcc.WithFence(store))
	}
	buy := func(ctx context.Context, c *client.Client, account *tcc.Service[Transfer]) error {
		xid, err := c.Begin(ctx, "buy", time.Minute) // package tm does this, and what follows from errors
		if err != nil {
			return err
		}
		return account.Try(client.WithXID(ctx, xid), Transfer{Account: "a-1", Cents: 1999})
	}
	_, _ = deduct, buy
}

// What the coordinator asks for in phase two comes to the same action, in this process or in another one.
func ExampleService_Try() {
	say := func(what string) tcc.Func[Transfer] {
		return func(_ context.Context, c *tcc.Context, t Transfer) error {
			fmt.Println(what, t.Cents, "of", t.Account, "in branch", c.BranchID)
			return nil
		}
	}
	ctx := context.Background()
	coordinator := &fake{} // a *client.Client outside of tests
	account, err := tcc.Bind(ctx, coordinator, tcc.Action[Transfer]{
		Name: "deduct", Try: say("try"), Confirm: say("confirm"), Cancel: say("cancel"),
	}, tcc.WithFence(&fencetest.Memory{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = account.Try(client.WithXID(ctx, "10.0.0.1:8091:70"), Transfer{Account: "a-1", Cents: 1999})
	fmt.Println(err)
	for range 2 { // the answer was lost, so the coordinator asks again
		b := coordinator.registered[0]
		b.ID = 1
		status, err := coordinator.served.Commit(ctx, b)
		fmt.Println(status, err)
	}
	fmt.Println(account.Try(ctx, Transfer{}))
	// Output:
	// try 1999 of a-1 in branch 1
	// <nil>
	// confirm 1999 of a-1 in branch 1
	// PhaseTwo_Committed <nil>
	// PhaseTwo_Committed <nil>
	// try deduct: tcc: the context is of no global transaction
}
