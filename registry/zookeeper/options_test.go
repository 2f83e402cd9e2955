package zookeeper

import (
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWrongOptionsNameTheSetting(t *testing.T) {
	t.Parallel()
	good := func() Options {
		return Options{Servers: []string{"zk1:2181", "zk2:2181"}, Address: "10.0.0.1:8091"}
	}
	for _, tt := range []struct {
		names  string
		change func(o *Options)
	}{
		{"--zookeeper", func(o *Options) { o.Servers = nil }},
		{"--zookeeper", func(o *Options) { o.Servers = []string{"zk1"} }},
		{"--zookeeper", func(o *Options) { o.Servers = []string{"zk1:port"} }},
		{"--zookeeper", func(o *Options) { o.Servers = []string{"zk1:2181/a", "zk2:2181"} }},
		{"zookeeper.root", func(o *Options) { o.Root = "registry" }},
		{"zookeeper.root", func(o *Options) { o.Root = "/registry//zk" }},
		{"zookeeper.root", func(o *Options) { o.Servers = []string{"zk1:2181/../x"} }},
		{"zookeeper.cluster", func(o *Options) { o.Cluster = "a/b" }},
		{"zookeeper.digest", func(o *Options) { o.Digest = "user" }},
		{"zookeeper.sessionTimeout", func(o *Options) { o.SessionTimeout = time.Millisecond }},
		{"--advertise", func(o *Options) { o.Address = "10.0.0.1" }},
		{"--advertise", func(o *Options) { o.Address = "0.0.0.0:8091" }},
		{"--advertise", func(o *Options) { o.Address = "[::]:8091" }},
		{"--advertise", func(o *Options) { o.Address = "10.0.0.1:0" }},
		{"--advertise", func(o *Options) { o.Address = "a/b:8091" }},
	} {
		o := good()
		tt.change(&o)
		if err := o.complete(); err == nil || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%+v: %v, which does not name %s", o, err, tt.names)
		}
	}
	o := good()
	if err := o.complete(); err != nil || o.Root != "/registry/zk" || o.Cluster != "default" {
		t.Errorf("good options: %+v, %v", o, err)
	}
}

func TestPathBehindTheServersComesBeforeTheRoot(t *testing.T) {
	t.Parallel()
	o := Options{Servers: []string{" zk1:2181", "zk2:2181/team/a/"}}
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	if o.Root != "/team/a/registry/zk" || !slices.Equal(o.Servers, []string{"zk1:2181", "zk2:2181"}) {
		t.Errorf("root %s, servers %v", o.Root, o.Servers)
	}
}

func TestAddressesAreSplitAtTheLastColon(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{"a.b:1": "a.b", "10.0.0.1:65535": "10.0.0.1", "[fe80::1]:80": "[fe80::1]"} {
		if host, _, err := splitAddress(s); err != nil || host != want {
			t.Errorf("%s: %s, %v", s, host, err)
		}
	}
}

func TestServerThatSaysNothingDoesNotHoldUsUp(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	began := time.Now()
	r, err := Open(t.Context(), Options{
		Servers: []string{mute.Addr().String()}, Address: "127.0.0.1:8091", SessionTimeout: time.Second, Wait: true,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Health(); err == nil || !strings.Contains(err.Error(), "gives none") {
		t.Errorf("health: %v", err)
	}
	if _, err := r.Nodes(t.Context()); err == nil {
		t.Error("nodes are listed without a server")
	}
	if err := r.Deregister(t.Context()); err == nil || !strings.Contains(err.Error(), "gives none") {
		t.Errorf("deregister: %v", err)
	}
	r.turn <- struct{}{} // as if an attempt of Run's took longer than Deregister waits
	if err := r.Deregister(t.Context()); err == nil || !strings.Contains(err.Error(), "gives none") {
		t.Errorf("deregister beside an attempt that hangs: %v", err)
	}
	<-r.turn
	r.Close()
	r.Close()
	if took := time.Since(began); took > time.Minute {
		t.Errorf("open, deregister and close took %s", took)
	}
	if err := r.Health(); err == nil {
		t.Error("a closed registry is healthy")
	}
}
