//go:build parts

package mysql

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// emptyDatabase gives a test a database without tables.
func emptyDatabase(t *testing.T) string {
	t.Helper()
	name := "empty_" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "_"))
	if _, err := maria.root.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestMigrationsRunOnceForManyNodes(t *testing.T) {
	t.Parallel()
	name := emptyDatabase(t)
	last, err := newest()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	migrated := 0
	for range 5 {
		wg.Go(func() {
			from, to, err := Migrate(t.Context(), dsnOf(name), nil)
			if err != nil {
				t.Errorf("migrate: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if from == 0 && to == last {
				migrated++
			} else if from != last || to != last {
				t.Errorf("from %d to %d", from, to)
			}
		})
	}
	wg.Wait()
	if migrated != 1 {
		t.Errorf("migrated %d times", migrated)
	}
	o := options(t, name, "n1")
	if err := begin(openNode(t, o), 100).whole("t:1"); err != nil {
		t.Error(err)
	}
}

// TestStartSaysWhatToChange: each failure of Open names a key, a command or a grant, and never the password.
func TestStartSaysWhatToChange(t *testing.T) {
	t.Parallel()
	name := emptyDatabase(t)
	for _, query := range []string{
		"CREATE DATABASE " + name + "_new", "CREATE USER IF NOT EXISTS reader@'%' IDENTIFIED BY 'secret'",
		"GRANT SELECT ON " + name + "_new.* TO reader@'%'", "CREATE USER IF NOT EXISTS nobody@'%' IDENTIFIED BY 'secret'",
	} {
		if _, err := maria.root.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := Migrate(t.Context(), dsnOf(name+"_new"), nil); err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + maria.port
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	for _, tt := range []struct{ dsn, want string }{
		{"root@tcp(" + closed + ")/x", "check host and port in --mysql-dsn"},
		{"root:secret@tcp(" + address + ")/" + name, "refuses user or password: change --mysql-dsn"},
		{"root@tcp(" + address + ")/missing", "CREATE DATABASE"},
		{"nobody:secret@tcp(" + address + ")/" + name, "GRANT"},
		{"root@tcp(" + address + ")/" + name, "concord migrate"},
		{"reader:secret@tcp(" + address + ")/" + name + "_new", "GRANT"},
	} {
		o := options(t, name, "n1")
		o.DSN = tt.dsn
		_, err := Open(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", tt.dsn, err)
		}
	}
	const newer = ".concord_schema (version_id, is_applied) VALUES (99, 1)"
	if _, err := maria.root.Exec("INSERT INTO " + name + "_new" + newer); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), options(t, name+"_new", "n1")); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("tables of a newer version: %v", err)
	}
	if _, err := OpenReader(t.Context(), dsnOf(name)); err == nil || !strings.Contains(err.Error(), "concord migrate") {
		t.Errorf("audit of nothing: %v", err)
	}
}

func TestNodesTellEachOtherOfSessions(t *testing.T) {
	t.Parallel()
	c := openCluster(t)
	defer c.Close()
	a, b := c.nodes[0], c.nodes[1]
	entries := []orchestrator.SessionEntry{
		{Resource: "jdbc:mysql://db/shop", Application: "shop", IP: "10.0.0.1", Clients: 3},
		{Resource: "tcc", Application: "bank", IP: "10.0.0.2", Clients: 1},
	}
	if err := a.PublishSessions(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	got, err := b.RemoteSessions(t.Context())
	if err != nil || len(got) != 2 || got[0].SessionEntry != entries[0] || got[1].Node != "n1" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := a.RemoteSessions(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("own sessions came back: %+v, %v", got, err)
	}
	if err := a.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes, err := b.Nodes(t.Context())
	if err != nil || len(nodes) != 2 || !nodes[0].Draining || !nodes[0].Alive || nodes[1].Draining {
		t.Fatalf("%+v, %v", nodes, err)
	}
	if n := nodes[0]; n.ID != "n1" || n.Epoch != a.Epoch() || n.Advertise != "n1:8091" || n.Internal != "n1:8088" ||
		n.Version != "1" || n.LeaseUntil < n.JoinedAt.Add(9*time.Second) {
		t.Errorf("%+v", n)
	}
	if err := begin(a, 100).whole("t:1"); err != nil {
		t.Errorf("a draining node writes: %v", err)
	}
	if err := a.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if nodes, err = b.Nodes(t.Context()); err != nil || nodes[0].Alive || !nodes[1].Alive {
		t.Errorf("%+v, %v", nodes, err)
	}
	if got, err := b.RemoteSessions(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("sessions of a node that has left: %+v, %v", got, err)
	}
	if err := begin(a, 200).whole("t:2"); !errors.Is(err, orchestrator.ErrNotMember) {
		t.Errorf("write after leaving: %v", err)
	}
}

func TestSettingsHaveVersions(t *testing.T) {
	t.Parallel()
	c := openCluster(t)
	defer c.Close()
	put := func(s *Store, key, value string) int64 {
		t.Helper()
		version, err := s.PutSetting(t.Context(), key, value, "operator")
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	if all, version, err := c.nodes[0].Settings(t.Context()); err != nil || len(all) != 0 || version != 0 {
		t.Fatalf("%+v, %d, %v", all, version, err)
	}
	if v := put(c.nodes[0], "lock-wait", "5s"); v != 1 {
		t.Errorf("version %d", v)
	}
	put(c.nodes[1], "a", "x")
	put(c.nodes[1], "lock-wait", "6s")
	all, version, err := c.nodes[0].Settings(t.Context())
	if err != nil || version != 3 || len(all) != 2 || all[0].Key != "a" || all[1].Value != "6s" || all[1].Version != 3 ||
		all[1].ChangedBy != "operator" || all[1].ChangedAt == 0 {
		t.Errorf("%+v, %d, %v", all, version, err)
	}
	put(c.nodes[0], "a", "")
	if all, version, err = c.nodes[1].Settings(t.Context()); err != nil || version != 4 || len(all) != 1 {
		t.Errorf("%+v, %d, %v", all, version, err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { put(c.nodes[i%2], fmt.Sprint("k", i), "v") })
	}
	wg.Wait()
	if _, version, err = c.nodes[0].Settings(t.Context()); err != nil || version != 12 {
		t.Errorf("version %d, %v", version, err)
	}
}
