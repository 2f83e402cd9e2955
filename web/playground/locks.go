package playground

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// locks has two applications lock the same rows of a sample database, as Seata's AT mode does.
func locks(ctx context.Context, p *Playground, r *run) error {
	const resource = "jdbc:mysql://sample-db:3306/warehouse"
	stock, err := dialApplication(ctx, p.o.Seata, "sample-stock", resource)
	if err != nil {
		return err
	}
	defer stock.close()
	shop, err := dialApplication(ctx, p.o.Seata, "sample-orders", resource)
	if err != nil {
		return err
	}
	defer shop.close()
	held := time.Duration(min(max(r.wish.Seconds, 5), 120)) * time.Second
	inventory, err := stock.begin(ctx, "takeInventory", held+time.Minute)
	if err != nil {
		return err
	}
	r.begun(inventory)
	if ok, err := stock.lockSoon(ctx, inventory, "stock:1,2,3,4,5,6,7,8", held); err != nil || !ok {
		return errors.Join(errors.New("the sample rows are locked by another run"), err, stock.end(ctx, inventory, false))
	}
	todo := []func() error{
		func() error { // the inventory takes its time, then its rows are free
			if !pause(ctx, held) {
				return nil
			}
			return stock.end(ctx, inventory, true)
		},
		func() error { return cycles(ctx, r, stock, shop, held) },
	}
	for i := range 4 {
		todo = append(todo, func() error {
			if !pause(ctx, time.Duration(i)*400*time.Millisecond) {
				return nil
			}
			return waiter(ctx, r, shop, fmt.Sprintf("orders:%d", 100+i), fmt.Sprintf("stock:%d", i/2+1), held+5*time.Second)
		})
	}
	return atOnce(todo)
}

// waiter has rows of its own and wants others. Who is refused them gives up and begins anew, as an application does
// whose request is repeated: the server lets a transaction wait once, and then sends it away at once for some time.
func waiter(ctx context.Context, r *run, a *application, own, wanted string, within time.Duration) error {
	for until := time.Now().Add(within); ; {
		xid, err := a.begin(ctx, "sell", time.Minute)
		if err != nil {
			return err
		}
		r.begun(xid)
		got, err := a.lockSoon(ctx, xid, own, 5*time.Second)
		if err == nil && got {
			got, err = a.lock(ctx, xid, wanted)
		}
		if err != nil {
			return err
		}
		err = a.end(ctx, xid, got)
		if got || err != nil || time.Now().After(until) || !pause(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// cycles has two transactions wait for each other, again and again: the server refuses one of them each time.
func cycles(ctx context.Context, r *run, a, b *application, within time.Duration) error {
	for until := time.Now().Add(within); time.Now().Before(until); {
		first, err := a.begin(ctx, "moveLeft", time.Minute)
		if err != nil {
			return err
		}
		second, err := b.begin(ctx, "moveRight", time.Minute)
		if err != nil {
			return err
		}
		r.begun(first)
		r.begun(second)
		if _, err = a.lock(ctx, first, "shelf:1"); err == nil {
			_, err = b.lock(ctx, second, "shelf:2")
		}
		if err != nil {
			return err
		}
		cross := func(app *application, xid, row string) func() error {
			return func() error {
				got, err := app.lock(ctx, xid, row)
				if app == b && !got && err == nil { // one of them gives way, so the other comes through
					got, err = app.lockSoon(ctx, xid, row, 5*time.Second)
				}
				if err != nil {
					return err
				}
				pause(ctx, time.Second) // the work with the rows
				return app.end(ctx, xid, got)
			}
		}
		if err := atOnce([]func() error{cross(a, first, "shelf:2"), cross(b, second, "shelf:1")}); err != nil {
			return err
		}
		if !pause(ctx, 2*time.Second) {
			return nil
		}
	}
	return nil
}
