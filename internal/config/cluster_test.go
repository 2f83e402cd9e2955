package config

import (
	"strings"
	"testing"
)

func TestEnginesFitTogether(t *testing.T) {
	t.Parallel()
	const dsn = "--mysql-dsn=u:p@tcp(db:3306)/concord"
	for _, tt := range []struct {
		name  string
		flags []string
		want  string // part of the error; "" for none
	}{
		{name: "one machine"},
		{name: "whole cluster", flags: []string{
			"--store", "mysql", dsn, "--mq", "rocketmq", "--rocketmq-namesrv", "mq1:9876,mq2:9876",
			"--registry", "zookeeper", "--zookeeper", "zk1:2181,zk2:2181/root", "--node-secret", "0123456789abcdef",
		}},
		{name: "auto log", flags: []string{"--store=mysql", dsn, "--rocketmq-namesrv=mq:9876"}},
		{name: "no publication", flags: []string{"--store=mysql", dsn, "--mq=off"}},
		{name: "no database", flags: []string{"--store=mysql", "--mq=off"}, want: "mysql.dsn: store.engine is mysql"},
		{name: "database unused", flags: []string{dsn}, want: "add --store mysql"},
		{name: "unknown store", flags: []string{"--store=oracle"}, want: "none of pebble, mysql"},
		{name: "unknown log", flags: []string{"--mq=kafka"}, want: `mq.engine (flag --mq): "kafka" is none of`},
		{name: "embedded log in a cluster", flags: []string{"--store=mysql", dsn, "--mq=embedded"}, want: "for one machine"},
		{name: "broker for one machine", flags: []string{"--mq=rocketmq", "--rocketmq-namesrv=mq:9876"},
			want: "with store.engine pebble"},
		{name: "no name server", flags: []string{"--store=mysql", dsn}, want: "rocketmq.namesrv: decisions go to RocketMQ"},
		{name: "name server unused", flags: []string{"--store=mysql", dsn, "--mq=off", "--rocketmq-namesrv=mq:9876"},
			want: "add --mq rocketmq"},
		{name: "name server without port", flags: []string{"--store=mysql", dsn, "--rocketmq-namesrv=mq"},
			want: "is not HOST:PORT"},
		{name: "half a key", flags: []string{"--rocketmq-access-key=a"}, want: "belong together"},
		{name: "odd mode", flags: []string{"--rocketmq-mode=maybe"}, want: "none of queue, refuse"},
		{name: "odd prefix", flags: []string{"--mq-prefix=a%b"}, want: "mq.prefix"},
		{name: "no registry server", flags: []string{"--registry=zookeeper"}, want: "name its servers"},
		{name: "registry unused", flags: []string{"--zookeeper=zk:2181"}, want: "add --registry zookeeper"},
		{name: "cluster with slash", flags: []string{"--zookeeper-cluster=a/b"}, want: "zookeeper.cluster"},
		{name: "relative root", flags: []string{"--zookeeper-root=registry"}, want: "zookeeper.root"},
		{name: "digest without password", flags: []string{"--zookeeper-digest=u"}, want: "USER:PASSWORD"},
		{name: "short secret", flags: []string{"--node-secret=abc"}, want: "shorter than 16"},
		{name: "odd node", flags: []string{"--node-id=a b"}, want: "node.id"},
		{name: "odd internal address", flags: []string{"--node-internal=8088"}, want: "node.internal"},
		{name: "tiny lease", flags: []string{"--node-lease=10ms"}, want: "node.lease"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			loaded, err := Load(Sources{Flags: flags(t, tt.flags...)})
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("got %v, want it to contain %q", err, tt.want)
			case tt.name == "auto log" && loaded.DecisionLog() != EngineRocketMQ:
				t.Errorf("decision log %s", loaded.DecisionLog())
			}
		})
	}
}

func TestSecretsAndHiddenKeysAreNotShown(t *testing.T) {
	t.Parallel()
	loaded, err := Load(Sources{Flags: flags(t, "--store=mysql", "--mysql-dsn=u:hunter2@tcp(db:3306)/concord", "--mq=off",
		"--node-secret=0123456789abcdef", "--node-clock-offset=1h")})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := loaded.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "0123456789abcdef", "clockOffset"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	if !strings.Contains(b.String(), "# dsn: (set, not shown)") {
		t.Error("nothing says that the dsn is set")
	}
}

func TestNodesReachEachOtherAtTheAdvertisedHost(t *testing.T) {
	t.Parallel()
	c := Default()
	if got := c.InternalAddress("10.0.0.5:8091", "[::]:8088"); got != "10.0.0.5:8088" {
		t.Error(got)
	}
	c.Node.Internal = "inner:1"
	if got := c.InternalAddress("10.0.0.5:8091", "[::]:8088"); got != "inner:1" {
		t.Error(got)
	}
}
