//go:build parts

package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	rmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"github.com/concord-tx/concord/mq/rocketmq"
)

// spoiled lists what is done to a cluster in which everything is right, and which parts of the audit must notice. Each
// is a statement on the store ("") or on a database of a bank.
var spoiled = []struct{ database, statement, part string }{
	{"west", "UPDATE account SET balance = balance + 1 WHERE id = 1", "I36/totals"},
	{"east", "DELETE FROM entry ORDER BY id DESC LIMIT 1", "I1/effects"},
	{"west", "UPDATE entry SET seq = seq + 1 ORDER BY id DESC LIMIT 1", "I15/sequence"},
	{"purse", "UPDATE tcc_fence_log SET status = 5 - status WHERE status IN (2, 3) LIMIT 1", "I1/fences"},
	{"purse", "INSERT INTO deed SELECT id + 1000000, xid, branch_id, purse, action, amount FROM deed LIMIT 1",
		"I20/effects"},
	{"west", "INSERT INTO undo_log SELECT 1, xid, '', '', 0, NOW(), NOW() FROM entry LIMIT 1", "Undo/rows"},
	{"", "DELETE FROM concord_finished ORDER BY id LIMIT 1", "I26/record"},
	{"", "UPDATE concord_finished SET epoch = 1000000 ORDER BY id DESC LIMIT 1", "I12/writes"},
	{"", "UPDATE concord_pack SET outcome = 2 WHERE outcome = 1 LIMIT 1", "I28/packs"},
	// An entry of transaction 42 with topic x and event {}, that was recorded in the year 2242.
	{"", "INSERT INTO concord_outbox (pack, recorded_at, n, epoch, events) " +
		"VALUES ('x', 1 << 43, 1, 1, X'548080808080800401017800027B7D')", "I27/outbox"},
	{"", "INSERT INTO concord_lock VALUES (REPEAT('x', 16), 1, 1, 1, 1, 1, 'r', 't', '1')", "I16/rest"},
}

// auditNotices spoils what is left of a set of brokers, and has the audit find each thing. It must come last.
func (c *cluster) auditNotices(t *testing.T) {
	for _, s := range spoiled {
		dsn := c.store.dsn(c.schema)
		if s.database != "" {
			dsn = c.banks[0].server.dsn(c.banks[0].db(s.database))
		}
		if err := execute(dsn, s.statement); err != nil {
			t.Fatal(err)
		}
	}
	c.forge(t)
	report, text, err := c.audit("--at-rest")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, result := range report.Results {
		for _, v := range result.Violations {
			found[v.Part] = true
		}
	}
	missed := false
	if !found["I25/copies"] {
		missed = true
		t.Error("I25/copies did not notice a forged copy of an event")
	}
	for _, s := range spoiled {
		if !found[s.part] {
			missed = true
			t.Errorf("%s did not notice: %s", s.part, s.statement)
		}
	}
	if missed {
		t.Log(text)
	}
}

// forge publishes a copy of a message with other content.
func (c *cluster) forge(t *testing.T) {
	namesrv := fileText(t, filepath.Join(c.brokers.dir, "namesrv"))
	p, err := rmq.NewProducer(producer.WithNameServer([]string{namesrv}), producer.WithGroupName("forger"),
		producer.WithInstanceName(fmt.Sprintf("forger-%d", os.Getpid())))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for pack, body := range c.publishedPacks(t, namesrv, 1) {
		forged := bytes.Replace(body, []byte("transfer"), []byte("Transfer"), 1)
		m := primitive.NewMessage(rocketmq.CommitTopic("concord"), forged)
		m.WithProperty(rocketmq.PropertyPack, pack)
		if r, err := p.SendSync(context.Background(), m); err != nil || r.Status != primitive.SendOK {
			t.Fatal(r, err)
		}
	}
	if err := p.Shutdown(); err != nil {
		t.Error(err)
	}
}
