//go:build parts

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// TestAStartThatFailsNamesTheKey: whatever is wrong with a part, the node ends with one line that says what to change,
// and no secret in it.
func TestAStartThatFailsNamesTheKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	database, names, registry := shared.database(t), shared.nameServer(t), shared.registry(t)
	closed := closedPort(t)
	dsn := func(user, address, name string) string {
		return "CONCORD_MYSQL_DSN=" + user + "@tcp(" + address + ")/" + name
	}
	app := "app:" + password
	for _, tt := range []struct {
		name, environ string
		flags         []string
		says          []string
	}{
		{"wrong password", dsn(app+"x", database, s.name), nil,
			[]string{"open the store", "refuses user or password", "--mysql-dsn"}},
		{"unknown host of the database", dsn(app, "nowhere.invalid:3306", s.name), nil,
			[]string{"database does not answer", "host and port in --mysql-dsn", "no such host"}},
		{"closed port of the database", dsn(app, closed, s.name), nil,
			[]string{"host and port in --mysql-dsn", "connection refused"}},
		{"a port that is no MySQL", dsn(app, registry, s.name), nil, []string{"host and port in --mysql-dsn"}},
		{"missing database", dsn("root", database, "nowhere"), nil,
			[]string{"database does not exist", "CREATE DATABASE", "--mysql-dsn"}},
		{"database of somebody else", dsn(app, database, "mysql"), nil, []string{"lacks rights", "GRANT", "--mysql-dsn"}},
		{"missing tables", "", []string{"--mysql-migrate=false"},
			[]string{"no tables of Concord", "concord migrate", "--mysql-migrate"}},
		{"unknown host of the name server", "", []string{"--rocketmq-namesrv", "nowhere.invalid:9876"},
			[]string{"--rocketmq-namesrv", "no such host"}},
		{"missing topics", "", []string{"--rocketmq-create-topics=false", "--mq-prefix", s.name + "-none"},
			[]string{s.name + "-none-commit does not exist", "--rocketmq-create-topics"}},
		{"unknown host of ZooKeeper", "", []string{"--zookeeper", "nowhere.invalid:2181"},
			[]string{"zookeeper.servers (--zookeeper)", "no such host"}},
		{"closed port of ZooKeeper", "", []string{"--zookeeper", closed},
			[]string{"zookeeper.servers (--zookeeper)", "connection refused"}},
		{"a port that is no ZooKeeper", "", []string{"--zookeeper", names},
			[]string{"zookeeper.servers (--zookeeper)", "accepts connections but gives none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			own := &site{t: t, outside: shared, name: s.name}
			if tt.name == "missing tables" { // others make them
				own = newSite(t, shared)
			}
			own.refused(exitFailure, environOf(tt.environ), own.flags("node", tt.flags...), tt.says...)
		})
	}
}

func environOf(variable string) []string {
	if variable == "" {
		return nil
	}
	return []string{variable}
}

// closedPort returns an address on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// TestAConfigurationThatCannotBeNamesTheKey: what can be seen without asking anybody ends with 2.
func TestAConfigurationThatCannotBeNamesTheKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	for _, tt := range []struct{ flags, says string }{
		{"--node-secret short", "node.secret (flag --node-secret): it is shorter than 16 bytes"},
		{"--node-id a/b", "node.id (flag --node-id)"},
		{"--store pebble", "mysql.dsn (environment CONCORD_MYSQL_DSN): it is set, but store.engine is pebble"},
		{"--mq embedded", "mq.engine (flag --mq): embedded is for one machine"},
		{"--mq off", "rocketmq.namesrv (flag --rocketmq-namesrv): it is set, but decisions do not go to RocketMQ"},
		{"--mq-prefix a.b", "mq.prefix (flag --mq-prefix)"},
		{"--rocketmq-mode maybe", "rocketmq.mode (flag --rocketmq-mode)"},
		{"--rocketmq-access-key a", "rocketmq.secretKey: accessKey and secretKey belong together"},
		{"--registry none", "zookeeper.servers (flag --zookeeper)"},
		{"--zookeeper-digest nobody", "zookeeper.digest (flag --zookeeper-digest): it is not USER:PASSWORD"},
		{"--node-lease 10ms", "node.lease (flag --node-lease)"},
		{"--node-internal here", "node.internal (flag --node-internal)"},
	} {
		t.Run(tt.flags, func(t *testing.T) {
			t.Parallel()
			r := run(t, s.environ(), s.flags("node", strings.Fields(tt.flags)...)...)
			if r.code != exitUsage {
				t.Errorf("exit code %d", r.code)
			}
			contains(t, r.errors, "concord: configuration: ", tt.says)
			if strings.Contains(r.errors, password) || strings.Contains(r.errors, nodeSecret) {
				t.Errorf("a secret is shown:\n%s", r.errors)
			}
		})
	}
	r := run(t, append(s.environ(), "CONCORD_MYSQL_DSN="), s.flags("node")...)
	if r.code != exitUsage {
		t.Errorf("without a database: exit code %d", r.code)
	}
	contains(t, r.errors, "mysql.dsn (environment CONCORD_MYSQL_DSN): store.engine is mysql, so name the database")
	r = run(t, s.environ(), s.flags("node", "--print-config", "--zookeeper-digest", "user:zk-password",
		"--rocketmq-access-key", "node", "--rocketmq-secret-key", "Broker-password")...)
	if r.code != exitOK {
		t.Errorf("print the configuration: %+v", r)
	}
	s.silent(r.out + r.errors)
}

// TestTablesOfAnotherVersionAreLeftAlone: neither a node nor concord migrate touches tables that it does not know.
func TestTablesOfAnotherVersionAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	migrate := []string{"migrate"}
	if r := run(t, s.environ(), migrate...); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	s.exec("INSERT INTO concord_schema (version_id, is_applied) VALUES (4711, 1)")
	says := []string{"tables have version 4711", "run a newer concord"}
	s.refused(exitFailure, nil, s.flags("node"), says...)
	s.refused(exitFailure, nil, s.flags("node", "--mysql-migrate=false"), says...)
	s.refused(exitFailure, nil, migrate, says...)
}

// TestWrongCredentialsOfOtherPartsAreNamedAtTheStart: of the broker and of ZooKeeper; with the right ones the node
// runs.
func TestWrongCredentialsOfOtherPartsAreNamedAtTheStart(t *testing.T) {
	t.Parallel()
	acl := filepath.Join(t.TempDir(), "acl.yml")
	accounts := "globalWhiteRemoteAddresses:\naccounts:\n- accessKey: concord-node\n" +
		"  secretKey: Broker-password\n  admin: true\n  defaultTopicPerm: PUB|SUB\n  defaultGroupPerm: PUB|SUB\n"
	if err := os.WriteFile(acl, []byte(accounts), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := script(nil, "rocketmq", "stop", dir); err != nil {
			t.Error(err)
		}
	})
	if err := script([]string{"ROCKETMQ_ACL=" + acl}, "rocketmq", "start", dir); err != nil {
		t.Fatal(err)
	}
	names := outside{dir}.text(t, "namesrv")
	s := newSite(t, shared)
	for _, keys := range [][2]string{{"", ""}, {"concord-node", "Broker-passwordx"}, {"nobody", "Broker-password"}} {
		s.refused(exitFailure, []string{"CONCORD_ROCKETMQ_ACCESS_KEY=" + keys[0], "CONCORD_ROCKETMQ_SECRET_KEY=" + keys[1]},
			s.flags("node", "--rocketmq-namesrv", names), "refuses us", "--rocketmq-access-key", "--rocketmq-secret-key")
	}

	conn, events, err := zk.Connect([]string{shared.registry(t)}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for e := range events {
		if e.State == zk.StateHasSession {
			break
		}
	}
	if err := conn.AddAuth("digest", []byte("owner:zk-password")); err != nil {
		t.Fatal(err)
	}
	root := "/" + s.name
	for _, path := range []string{root, root + "/" + s.name} {
		acl := append(zk.AuthACL(zk.PermAll), zk.WorldACL(zk.PermRead)...)
		if _, err := conn.Create(path, nil, 0, acl); err != nil {
			t.Fatal(err)
		}
	}
	for _, digest := range []string{"", "owner:zk-passwordx", "nobody:zk-password"} {
		s.refused(exitFailure, []string{"CONCORD_ZOOKEEPER_DIGEST=" + digest}, s.flags("node", "--zookeeper-root", root),
			"zookeeper.digest", root+"/"+s.name)
	}
	p := s.launch(command(t.Context(), append(s.environ(), "CONCORD_ZOOKEEPER_DIGEST=owner:zk-password",
		"CONCORD_ROCKETMQ_ACCESS_KEY=concord-node", "CONCORD_ROCKETMQ_SECRET_KEY=Broker-password"),
		s.flags("node", "--zookeeper-root", root, "--rocketmq-namesrv", names)...))
	p.until(`"degraded":[]`, func() string { _, body := p.get("/readyz"); return body })
}
