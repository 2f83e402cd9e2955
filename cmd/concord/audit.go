package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/audit"
	"github.com/concord-tx/concord/mq/rocketmq"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/store/mysql"
)

// auditFlags are what `concord audit` is told.
type auditFlags struct {
	dsn, prefix, participants string
	namesrv, histories        []string
	atRest, json              bool
	slack, grace, retention   time.Duration
	timeout                   time.Duration
}

func (a *app) audit() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Judge a cluster by what it has left behind: store, topics, participants, clients",
		Long: `Read the store, the decision topics, the participants' own tables and what clients were told, and check
that they agree: that no decision was lost, changed or published twice with different content, that every branch
followed its decision, that locks excluded each other and none is left, and more. It only reads, and it may read a
cluster that is running; what can be judged only when clients have stopped and everything has ended is left out unless
you say --at-rest.

What is not given is not read, and the report says what could not be checked for that. The exit code is 0 if nothing is
violated, 1 if something is, 2 if a source could not be read.

--participants names a YAML file with the participants' databases, and --history files with one JSON object a line for
each call of a client; docs/AUDIT.md describes both. Credentials of brokers with access control are taken from
CONCORD_ROCKETMQ_ACCESS_KEY and CONCORD_ROCKETMQ_SECRET_KEY.

The commands below are about something else: the journal of what people did.`,
		Example: `  concord audit --mysql-dsn 'root@tcp(10.0.0.5:3306)/concord' --rocketmq-namesrv 10.0.0.6:9876
  concord audit --participants bank.yaml --history clerks.jsonl --at-rest --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runAudit(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dsn, "mysql-dsn", "",
		"the store, as USER:PASSWORD@tcp(HOST:PORT)/DATABASE; default CONCORD_MYSQL_DSN")
	flags.StringSliceVar(&f.namesrv, "rocketmq-namesrv", nil, "name servers of the topics, each as HOST:PORT")
	flags.StringVar(&f.prefix, "mq-prefix", "concord", "first part of the names of the topics")
	flags.StringVar(&f.participants, "participants", "", "YAML file with the participants' databases")
	flags.StringArrayVar(&f.histories, "history", nil, "file with what a client was told; may be given several times")
	flags.BoolVar(&f.atRest, "at-rest", false, "clients have stopped and everything had time to end")
	flags.BoolVar(&f.json, "json", false, "write the report as JSON")
	flags.DurationVar(&f.slack, "slack", 250*time.Millisecond, "by how much clocks of nodes and broker may differ")
	flags.DurationVar(&f.grace, "grace", 2*time.Minute, "how long past its time something may still be under way")
	flags.DurationVar(&f.retention, "retention", 72*time.Hour, "the cluster's store.retention")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Minute, "how long reading may take")
	cmd.AddCommand(a.auditLog()...)
	return cmd
}

// errViolated has `concord audit` end with 1.
var errViolated = errors.New("the cluster violates its invariants")

func (a *app) runAudit(ctx context.Context, f *auditFlags) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	in, done, err := a.auditInputs(ctx, f)
	defer done()
	if err != nil {
		return usageError{err}
	}
	e, err := audit.Gather(ctx, in, audit.Settings{
		AtRest: f.atRest, Slack: f.slack, Grace: f.grace, Retention: f.retention,
	})
	if err != nil {
		return usageError{err}
	}
	report := audit.Judge(e)
	if f.json {
		raw, err := json.Marshal(report)
		if err == nil {
			err = a.printJSON(raw)
		}
		if err != nil {
			return usageError{err}
		}
	} else if err := report.Write(a.stdout); err != nil {
		return usageError{err}
	}
	if !report.Clean() {
		return errViolated
	}
	return nil
}

// auditInputs opens what is given; done closes it.
func (a *app) auditInputs(ctx context.Context, f *auditFlags) (in audit.Inputs, done func(), err error) {
	var opened []func() error
	done = func() {
		for _, end := range opened {
			_ = end() // nothing was written
		}
	}
	if f.dsn == "" {
		f.dsn = a.env("CONCORD_MYSQL_DSN")
	}
	if f.dsn == "" && len(f.namesrv) == 0 && f.participants == "" && len(f.histories) == 0 {
		return in, done, errors.New("nothing to look at: give --mysql-dsn, --rocketmq-namesrv, --participants or --history")
	}
	if f.dsn != "" {
		store, err := mysql.OpenReader(ctx, f.dsn)
		if err != nil {
			return in, done, fmt.Errorf("--mysql-dsn: %w", err)
		}
		opened = append(opened, store.Close)
		in.Store = auditStore{store}
	}
	if len(f.namesrv) > 0 {
		in.Broker = auditBroker{rocketmq.ReadOptions{
			NameServers: f.namesrv, Prefix: f.prefix, AccessKey: a.env("CONCORD_ROCKETMQ_ACCESS_KEY"),
			SecretKey: a.env("CONCORD_ROCKETMQ_SECRET_KEY"),
		}}
	}
	if f.participants != "" {
		raw, err := os.ReadFile(f.participants)
		if err != nil {
			return in, done, fmt.Errorf("--participants: %w", err)
		}
		if in.Participants, err = audit.ReadParticipants(strings.NewReader(string(raw))); err != nil {
			return in, done, fmt.Errorf("--participants %s: %w", f.participants, err)
		}
	}
	for _, path := range f.histories {
		file, err := os.Open(path)
		if err != nil {
			return in, done, fmt.Errorf("--history: %w", err)
		}
		opened = append(opened, file.Close)
		in.Histories = append(in.Histories, audit.Named{Name: path, In: file})
	}
	return in, done, nil
}

// auditStore is the store on MySQL as the audit reads it.
type auditStore struct{ *mysql.Reader }

// EachOutbox yields the decisions whose message was not read yet.
func (s auditStore) EachOutbox(
	ctx context.Context, yield func(id int64, topic string, event []byte, at txn.Millis) error,
) error {
	return s.Reader.EachOutbox(ctx, func(e orchestrator.OutboxEntry) error {
		return yield(e.ID, e.Topic, e.Event, e.RecordedAt)
	})
}

// EachPack yields the packs.
func (s auditStore) EachPack(ctx context.Context, yield func(id string, p audit.Pack) error) error {
	return s.Reader.EachPack(ctx, func(id orchestrator.PackID, stored bool, at txn.Millis) error {
		return yield(string(id), audit.Pack{Stored: stored, At: at})
	})
}

// EachNode yields the lives of the nodes.
func (s auditStore) EachNode(ctx context.Context, yield func(audit.NodeLife) error) error {
	return s.Reader.EachNode(ctx, func(id string, epoch int64, joinedAt, endedAt txn.Millis) error {
		return yield(audit.NodeLife{ID: id, Epoch: epoch, JoinedAt: joinedAt, EndedAt: endedAt})
	})
}

// auditBroker is RocketMQ as the audit reads it.
type auditBroker struct{ rocketmq.ReadOptions }

// EachMessage yields the messages of our topics, and of those that the broker has given up, ours.
func (b auditBroker) EachMessage(ctx context.Context, yield func(m *audit.Message, dead bool) error) error {
	ours := map[string]bool{rocketmq.CommitTopic(b.Prefix): true, rocketmq.RollbackTopic(b.Prefix): true}
	return rocketmq.Read(ctx, b.ReadOptions, func(m rocketmq.Message) error {
		if !ours[m.Topic] && m.Pack == "" {
			return nil // somebody else's
		}
		return yield(&audit.Message{
			Topic: m.Topic, Broker: m.Broker, Queue: m.Queue, Offset: m.Offset, Keys: m.Keys, Pack: m.Pack,
			StoredAt: m.StoredAt, Body: m.Body,
		}, !ours[m.Topic])
	})
}
