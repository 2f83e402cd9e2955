//go:build parts

package message_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/message"
)

// shop is a world whose database is a real MariaDB.
type shop struct {
	*world
	dsn   string
	db    *sql.DB
	store *sqlfence.Store
}

const (
	orders = "CREATE TABLE orders (id VARCHAR(64) PRIMARY KEY) ENGINE = InnoDB"
	place  = "INSERT INTO orders (id) VALUES (?)"
)

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{world: setup(t), dsn: clienttest.Database(t)}
	s.db, s.store = openStore(t, s.dsn)
	clienttest.Tables(t, s.db, orders)
	s.check = httptest.NewServer(message.CheckHandler(s.store, message.CheckOptions{}))
	t.Cleanup(s.check.Close)
	return s
}

func openStore(t testing.TB, dsn string) (*sql.DB, *sqlfence.Store) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	store, err := sqlfence.New(db, sqlfence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db, store
}

// placed are the orders of the database.
func (s *shop) placed() (ids []string) {
	s.t.Helper()
	rows, err := s.db.QueryContext(s.t.Context(), "SELECT id FROM orders ORDER BY id")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// agrees compares what was committed with what was delivered.
func (s *shop) agrees(atLeast, atMost int) {
	s.t.Helper()
	s.quiet()
	want := s.placed()
	if got := s.delivered(); !slices.Equal(got, want) || len(want) < atLeast || len(want) > atMost {
		s.t.Errorf("committed: %v\ndelivered: %v\nand %d to %d were expected", want, got, atLeast, atMost)
	}
}

// The environment of the process that dies.
const (
	diesAt   = "MESSAGE_TEST_DIES_AT"
	itsAPI   = "MESSAGE_TEST_API"
	itsCheck = "MESSAGE_TEST_CHECK"
	itsURL   = "MESSAGE_TEST_TARGET"
	itsDSN   = "MESSAGE_TEST_DSN"
)

// suicide kills the process at its n-th step.
type suicide struct {
	left int
	message.Store
}

func (s *suicide) step() {
	if s.left--; s.left < 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// RoundTrip has a step before and behind each request.
func (s *suicide) RoundTrip(r *http.Request) (*http.Response, error) {
	s.step()
	resp, err := http.DefaultTransport.RoundTrip(r)
	s.step()
	return resp, err
}

// Record has a step before and behind it.
func (s *suicide) Record(ctx context.Context, tx *sql.Tx, xid string) error {
	s.step()
	err := s.Store.Record(ctx, tx, xid)
	s.step()
	return err
}

// dieAt is the program of the process that dies: one order, and death at a step.
func dieAt(steps string) {
	left, err := strconv.Atoi(steps)
	if err != nil {
		panic(err)
	}
	db, err := sql.Open("mysql", os.Getenv(itsDSN))
	if err != nil {
		panic(err)
	}
	store, err := sqlfence.New(db, sqlfence.Options{})
	if err != nil {
		panic(err)
	}
	s := &suicide{left: left, Store: store}
	c, err := api.New(api.Options{Endpoints: []string{os.Getenv(itsAPI)}, Transport: s})
	if err != nil {
		panic(err)
	}
	sender, err := message.New(message.Options{API: c, Store: s, CheckURL: os.Getenv(itsCheck)})
	if err != nil {
		panic(err)
	}
	id := "case " + steps
	err = sender.Do(context.Background(), db, message.Message{
		Timeout: time.Second, Deliveries: []message.Delivery{{URL: os.Getenv(itsURL), Payload: id}},
	}, func(tx *sql.Tx) error {
		s.step()
		_, err := tx.Exec(place, id)
		s.step()
		return err
	})
	if err != nil {
		panic(err)
	}
}

// TestASenderIsKilledAtEachStep has a process killed with SIGKILL, on a real database.
func TestASenderIsKilledAtEachStep(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for steps := 0; ; steps++ {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%02d", diesAt, steps), itsAPI+"="+s.server.URL(),
			itsCheck+"="+s.check.URL, itsURL+"="+s.target.URL, itsDSN+"="+s.dsn)
		out, err := child.CombinedOutput()
		var exit *exec.ExitError
		if err == nil {
			break // it has survived
		}
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL || steps > 50 {
			t.Fatalf("step %d: %v\n%s", steps, err, out)
		}
	}
	s.agrees(3, 5) // it dies behind the commit, behind the submit, and not at all
}

// TestTheDatabaseIsCutOffAtEachPacket has the sender's connection to its database break before and behind each packet,
// the answer to COMMIT included.
func TestTheDatabaseIsCutOffAtEachPacket(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	config, err := mysql.ParseDSN(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	proxy := clienttest.NewMySQLProxy(t, config.Addr)
	config.Addr = proxy.Addr()
	outcomes := map[message.Outcome]int{}
	for _, way := range []clienttest.Direction{clienttest.ToServer, clienttest.ToClient} {
		for n := 1; ; n++ {
			id := fmt.Sprintf("%s %02d", strings.ReplaceAll(way.String(), " ", "-"), n)
			db, store := openStore(t, config.FormatDSN())
			sender, err := message.New(message.Options{
				API: s.api, Store: store, CheckURL: s.check.URL, EndTimeout: 5 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			proxy.Reset()
			before := proxy.Count(way)
			proxy.CutBefore(way, n)
			err = sender.Do(t.Context(), db, s.message(id), func(tx *sql.Tx) error {
				_, err := tx.Exec(place, id)
				return err
			})
			proxy.Reset()
			_ = db.Close()
			outcome := message.OutcomeOf(err)
			outcomes[outcome]++
			if there := slices.Contains(s.placed(), id); (outcome == message.Sent) != there || outcome == message.Unknown {
				t.Errorf("%s: %v, and the order is there: %v: %v", id, outcome, there, err)
			}
			if n > 40 || proxy.Count(way)-before > 0 && outcome == message.Sent && n > 20 {
				break
			}
		}
	}
	if outcomes[message.Sent] < 5 || outcomes[message.RolledBack] < 5 {
		t.Errorf("%v", outcomes)
	}
	s.agrees(outcomes[message.Sent], outcomes[message.Sent])
}

// TestALongTransactionIsWaitedFor has the coordinator ask while the local transaction is under way.
func TestALongTransactionIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	asked := make(chan struct{}, 100)
	handler := message.CheckHandler(s.store, message.CheckOptions{})
	check := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(check.Close)
	sender, err := message.New(message.Options{
		API: s.api, Store: s.store, CheckURL: check.URL, CheckTimeout: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = sender.Do(t.Context(), s.db, s.message("long"), func(tx *sql.Tx) error {
		for range 3 { // it was asked, and got no answer that settles anything
			<-asked
		}
		_, err := tx.Exec(place, "long")
		return err
	})
	if err != nil {
		t.Error(err)
	}
	s.agrees(1, 1)
}
