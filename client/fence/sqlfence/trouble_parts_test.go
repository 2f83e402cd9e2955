//go:build parts

package sqlfence

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence"
)

// TestADatabaseThatDiesLeavesAllOrNothing kills the server at any moment of many requests, and asks again.
func TestADatabaseThatDiesLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	server := clienttest.NewMariaDB(t)
	c, err := mysql.ParseDSN(server.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	root := sql.OpenDB(connector)
	defer func() { _ = root.Close() }()
	d := realOn(t, root, "dies", ours(t), sql.LevelDefault)
	all, unknown := &keys{}, 0
	for range 2 {
		var mu sync.Mutex
		var wg sync.WaitGroup
		told := map[int64]error{}
		var used []fence.Key
		stop, kill := context.WithCancel(t.Context())
		for range 4 {
			wg.Go(func() {
				for err := error(nil); err == nil && stop.Err() == nil; {
					key := all.next()
					_, err = d.store.Run(t.Context(), key, fence.Try, func(ctx context.Context, tx *sql.Tx) error {
						return d.do(ctx, tx, key, fence.Try)
					})
					mu.Lock()
					told[key.Branch] = err
					used = append(used, key)
					mu.Unlock()
				}
			})
		}
		clienttest.Eventually(t, "there is work", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(used) > 50+rand.IntN(50)
		})
		server.Kill(t)
		kill()
		wg.Wait()
		server.Start(t)
		for _, key := range used {
			tried, effects := d.state(t, key) == fence.Tried, d.effect(t, key, fence.Try)
			if tried != (effects == 1) || effects > 1 || told[key.Branch] == nil && !tried {
				t.Fatalf("%s: tried %t, %d effects, told %v", key, tried, effects, told[key.Branch])
			}
			if told[key.Branch] == nil {
				continue
			}
			unknown++
			_, err := d.store.Run(t.Context(), key, fence.Try, func(ctx context.Context, tx *sql.Tx) error {
				return d.do(ctx, tx, key, fence.Try)
			})
			if n := d.effect(t, key, fence.Try); err != nil || n != 1 {
				t.Errorf("%s, asked again: %v, %d effects", key, err, n)
			}
		}
	}
	if unknown == 0 {
		t.Error("the deaths hit nobody")
	}
}

// TestNeighboursDoNotDeadlock has tries, cancels and confirms of fresh keys beside each other come at once, which is
// where rows that are looked for before they are written lock each other's gaps.
func TestNeighboursDoNotDeadlock(t *testing.T) {
	t.Parallel()
	for name, isolation := range map[string]sql.IsolationLevel{
		"neighbours_default": sql.LevelDefault, "neighbours_committed": sql.LevelReadCommitted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := real(t, name, ours(t), isolation)
			runs := map[string]int{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for worker := range int64(16) {
				wg.Go(func() {
					for round := range int64(30) {
						key := fence.Key{XID: "10.0.0.1:8091:" + strconv.FormatInt(round, 10), Branch: worker / 2}
						event := []fence.Event{fence.Try, fence.Cancel}[worker%2]
						if worker == 15 {
							key.Branch, event = 99, fence.Confirm // of nothing
						}
						began, attempts := time.Now(), 0
						_, err := d.store.Run(t.Context(), key, event, func(ctx context.Context, tx *sql.Tx) error {
							attempts++
							return d.do(ctx, tx, key, event)
						})
						if err != nil && !errors.Is(err, fence.ErrRefused) {
							t.Errorf("%s of %s after %s: %v", event, key, time.Since(began), err)
						}
						mu.Lock()
						runs[event.String()] += attempts
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			var deadlocks string
			err := maria.root.QueryRow("SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'").
				Scan(&deadlocks)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("work was run %v times; the server counts %s deadlocks in all", runs, deadlocks)
		})
	}
}
