//go:build parts

package cluster_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"github.com/concord-tx/concord/mq/rocketmq"
)

// The half messages of the storm: those of packs that were never stored, and copies of some that were.
const (
	strangeHalves = 9_900
	copiedHalves  = 100
)

// mute is a listener that decides nothing, and so leaves every half message without an end.
type mute struct{}

func (mute) ExecuteLocalTransaction(*primitive.Message) primitive.LocalTransactionState {
	return primitive.UnknowState
}

func (mute) CheckLocalTransaction(*primitive.MessageExt) primitive.LocalTransactionState {
	return primitive.UnknowState
}

// halfStorm leaves ten thousand half messages without an end, as a node that dies leaves its own, and waits until the
// check-backs have resolved them all: rolled back where the pack was never stored, delivered once more where it was.
func (c *cluster) halfStorm(t *testing.T) {
	namesrv := fileText(t, filepath.Join(c.brokers.dir, "namesrv"))
	copies := c.publishedPacks(t, namesrv, copiedHalves)
	abortedBefore, copiesBefore := c.aborted(t), c.copies(t, namesrv, copies)
	rlog.SetLogLevel("fatal") // it logs every half that is not committed
	p, err := rmq.NewTransactionProducer(mute{}, producer.WithNameServer([]string{namesrv}),
		producer.WithGroupName("concord-decisions"), producer.WithInstanceName(fmt.Sprintf("storm-%d", os.Getpid())),
		producer.WithRetry(2))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var failed atomic.Int64
	queue := make(chan *primitive.Message, 64)
	for range 32 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for m := range queue {
				if _, err := p.SendMessageInTransaction(context.Background(), m); err != nil {
					failed.Add(1)
				}
			}
		}()
	}
	for i := range strangeHalves {
		m := primitive.NewMessage(rocketmq.CommitTopic("concord"), []byte(`[{"strange":true}]`))
		m.WithProperty(rocketmq.PropertyPack, fmt.Sprintf("storm-%d", i))
		m.WithTag("storm").WithKeys([]string{fmt.Sprintf("10.0.0.1:8091:%d", 1<<40+i)})
		queue <- m
	}
	for pack, body := range copies {
		m := primitive.NewMessage(rocketmq.CommitTopic("concord"), body)
		m.WithProperty(rocketmq.PropertyPack, pack)
		queue <- m.WithTag("storm")
	}
	close(queue)
	wg.Wait()
	if err := p.Shutdown(); err != nil {
		t.Error(err)
	}
	if n := failed.Load(); n > 0 {
		t.Fatalf("%d half messages were not taken", n)
	}
	began := time.Now()
	until(t, 5*time.Minute, "check-backs of packs that are not stored", func() error {
		if n := c.aborted(t) - abortedBefore; n < strangeHalves {
			return fmt.Errorf("%d of %d", n, strangeHalves)
		}
		return nil
	})
	until(t, 30*time.Second, "check-backs of packs that are stored", func() error {
		if n := c.copies(t, namesrv, copies) - copiesBefore; n < copiedHalves {
			return fmt.Errorf("%d of %d", n, copiedHalves)
		}
		return nil
	})
	t.Logf("%d half messages were resolved within %v of the last", strangeHalves+copiedHalves, time.Since(began))
}

// aborted is how many packs the store knows as aborted.
func (c *cluster) aborted(t testing.TB) (n int) {
	t.Helper()
	db, err := sql.Open("mysql", c.store.dsn(c.schema))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRow("SELECT COUNT(*) FROM concord_pack WHERE outcome = 2").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// publishedPacks returns packs of commits with their bodies.
func (c *cluster) publishedPacks(t testing.TB, namesrv string, n int) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	c.eachCommit(t, namesrv, func(pack string, body []byte) {
		if pack != "" && len(out) < n {
			out[pack] = body
		}
	})
	if len(out) < n {
		t.Fatalf("only %d packs are published", len(out))
	}
	return out
}

// copies counts the messages of packs.
func (c *cluster) copies(t testing.TB, namesrv string, packs map[string][]byte) (n int) {
	t.Helper()
	c.eachCommit(t, namesrv, func(pack string, _ []byte) {
		if _, ours := packs[pack]; ours {
			n++
		}
	})
	return n
}

// eachCommit reads the topic of commits.
func (c *cluster) eachCommit(t testing.TB, namesrv string, yield func(pack string, body []byte)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := rocketmq.Read(ctx, rocketmq.ReadOptions{NameServers: []string{namesrv}, Prefix: "concord"},
		func(m rocketmq.Message) error {
			if strings.HasSuffix(m.Topic, "-commit") {
				yield(m.Pack, m.Body)
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
}
