package config

import (
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// Default returns what holds when nothing is set. What the core and the runtime promise is taken from there.
func Default() Config {
	rules, limits := txn.DefaultRules(), orchestrator.DefaultLimits()
	return Config{
		Data: "./data",
		TC:   ":8091",
		HTTP: ":8088",
		Log:  Log{Level: "info", Format: "auto"},
		Limits: Limits{
			LiveMax:         int(limits.LiveMax),
			CachedMax:       limits.CachedMax,
			BranchesMax:     rules.BranchesMax,
			LockKeyBytesMax: Bytes(limits.LockKeyBytesMax),
			LockRowsMax:     limits.RowsMax,
			DataBytesMax:    Bytes(limits.DataBytesMax),
			LockWait:        limits.LockWait,
			LockWaitersMax:  limits.LockWaitersMax,
			EndWait:         limits.EndWait,
			TimeoutMax:      limits.TimeoutMax,
			Sweep:           limits.SweepEvery,
			Drain:           5 * time.Second,
		},
		Retry: Retry{
			First:       rules.Retry.First,
			Max:         rules.Retry.Max,
			Unreachable: rules.Retry.Unreachable,
			Attempts:    int(rules.Retry.Attempts),
			SlowDelay:   rules.Retry.SlowDelay,
			Answer:      rules.Retry.Answer,
			Report:      rules.Retry.Report,
			Reports:     int(rules.Retry.Reports),
			Grace:       rules.Retry.Grace,
			XANotFound:  rules.Retry.XANotFound,
		},
		Store: Store{Engine: EnginePebble, Retention: 72 * time.Hour, DiskReserve: GiB, Cache: 128 * MiB},
		MQ:    MQ{Engine: "auto", Prefix: "concord"},
		RocketMQ: RocketMQ{
			Mode: "queue", CreateTopics: true, UnreadAfter: 30 * time.Second,
		},
		Registry: Registry{Engine: "none"},
		ZooKeeper: ZooKeeper{
			Cluster: "default", Root: "/registry/zk", SessionTimeout: 6 * time.Second,
		},
		Node: Node{Lease: 10 * time.Second, Leave: 5 * time.Second},
		Session: Session{
			Max:           10_000,
			Idle:          15 * time.Second,
			FrameBytesMax: 8 * MiB,
			RequestsMax:   10_000,
			WriteBytesMax: 16 * MiB,
			UndoLogDelete: 24 * time.Hour,
			UndoLogDays:   7,
		},
		Trace: Trace{Sample: 0.01},
		Auth:  Auth{Mode: "off"},
		Saga:  Saga{Deadline: 24 * time.Hour},
		Callback: Callback{
			Timeout: 10 * time.Second, InFlight: 2048, PerTarget: 64, Queued: 16 << 10, Failures: 5, RetryPercent: 20,
			RetryRate: 20,
		},
		Web: Web{HeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, BodyBytesMax: MiB},
		Access: Access{
			Idle: 15 * time.Minute, Absolute: 12 * time.Hour, OIDCScopes: []string{"profile", "email"},
			OIDCRolesClaim: "groups",
			Mask: []string{
				"password", "secret", "token", "authorization", "card", "cardNumber", "cvv", "iban", "creditCard", "ssn",
			},
		},
		TLS: TLS{Seata: "off"},
	}
}
