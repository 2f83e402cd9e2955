//go:build parts

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/clienttest"
)

var lastShop atomic.Int64

// inDatabases makes the databases of a shop.
func inDatabases(t *testing.T, dsn string) *databases {
	t.Helper()
	d, err := newDatabases(dsn, fmt.Sprintf("shop_%d", lastShop.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.drop(context.WithoutCancel(t.Context())) })
	return d
}

func withDatabase() []string { return []string{"at", "xa"} }

func TestEveryOrderIsCarriedOutInDatabases(t *testing.T) {
	t.Parallel()
	for _, name := range withDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := sell(t, modeNamed(t, name), inDatabases(t, clienttest.MariaDB(t)), load{orders: 40, clerks: 4}, 0)
			if n := got.told.count(committed); n != 40 {
				t.Errorf("%d of 40 orders are committed", n)
			}
		})
	}
}

func TestWhatIsRefusedOrLostTakesNothingFromDatabases(t *testing.T) {
	t.Parallel()
	for _, name := range withDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := load{orders: 60, clerks: 4, refuse: 0.3, lose: 0.3}
			got := sell(t, modeNamed(t, name), inDatabases(t, clienttest.MariaDB(t)), l, 0)
			if got.told.count(rolledBack) == 0 || got.told.count(committed) == 0 {
				t.Error("there should be orders of both outcomes")
			}
		})
	}
}

func TestServicesAndCoordinatorsThatAreKilledLoseNothingInDatabases(t *testing.T) {
	t.Parallel()
	for _, name := range withDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := load{orders: 150, clerks: 6, lose: 0.05, pause: 50 * time.Millisecond}
			got := sell(t, modeNamed(t, name), inDatabases(t, clienttest.MariaDB(t)), l, 300*time.Millisecond)
			if got.told.count(committed) == 0 {
				t.Errorf("nothing was sold: %s", got.out)
			}
		})
	}
}
