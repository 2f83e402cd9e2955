package xa_test

import (
	"context"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/tm"
	"github.com/concord-tx/concord/client/xa"
)

// Money moves between two databases: both prepare, and both commit or roll back together.
func ExampleOpenDB() {
	transfer := func(ctx context.Context, c *client.Client) error {
		west, err := xa.OpenDB(ctx, c, "bank:secret@tcp(west:3306)/bank", xa.Options{})
		if err != nil {
			return err
		}
		defer func() { _ = west.Close() }()
		east, err := xa.OpenDB(ctx, c, "bank:secret@tcp(east:3306)/bank", xa.Options{BranchTimeout: 30 * time.Second})
		if err != nil {
			return err
		}
		defer func() { _ = east.Close() }()
		return tm.New(c).Run(ctx, tm.Options{Name: "transfer"}, func(ctx context.Context) error {
			if _, err := west.ExecContext(ctx, "UPDATE account SET balance = balance - 10 WHERE id = 1"); err != nil {
				return err
			}
			_, err := east.ExecContext(ctx, "UPDATE account SET balance = balance + 10 WHERE id = 1")
			return err
		})
	}
	_ = transfer
}
