package config

import (
	"net"
	"regexp"
	"strings"
	"time"
)

// The engines.
const (
	EnginePebble    = "pebble"
	EngineMySQL     = "mysql"
	EngineEmbedded  = "embedded"
	EngineRocketMQ  = "rocketmq"
	EngineOff       = "off"
	EngineZooKeeper = "zookeeper"
)

// Clustered reports whether the truth is in a database that other nodes may write to.
func (c *Config) Clustered() bool { return c.Store.Engine == EngineMySQL }

// DecisionLog returns the engine of the decision log, with auto resolved.
func (c *Config) DecisionLog() string {
	switch {
	case c.MQ.Engine != "auto":
		return c.MQ.Engine
	case c.Clustered():
		return EngineRocketMQ
	}
	return EngineEmbedded
}

// InternalAddress returns where other nodes reach this node's HTTP server, given what is advertised to clients and what
// the HTTP server is bound to.
func (c *Config) InternalAddress(advertise, bound string) string {
	if c.Node.Internal != "" {
		return c.Node.Internal
	}
	host, _, err := net.SplitHostPort(advertise)
	if err != nil {
		return bound
	}
	_, port, err := net.SplitHostPort(bound)
	if err != nil {
		return bound
	}
	return net.JoinHostPort(host, port)
}

// prefixForm is what RocketMQ allows in names of topics and groups, and no more than leaves room for what is added.
var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,60}$`)

// nodeForm keeps names of nodes fit for logs, URLs and instance names.
var nodeForm = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]{1,100}$`)

// cluster checks what concerns the engines. Settings of an engine that is not chosen must not be set at all, because
// whoever sets them believes that they count.
func (c *checker) cluster(f *Config) {
	c.oneOf("store.engine", f.Store.Engine, EnginePebble, EngineMySQL)
	c.oneOf("mq.engine", f.MQ.Engine, "auto", EngineEmbedded, EngineRocketMQ, EngineOff)
	c.oneOf("registry.engine", f.Registry.Engine, "none", EngineZooKeeper)
	c.oneOf("rocketmq.mode", f.RocketMQ.Mode, "queue", "refuse")
	c.failIf(!prefixForm.MatchString(f.MQ.Prefix), "mq.prefix", "%q is not 1 to 60 of A-Z a-z 0-9 _ -", f.MQ.Prefix)
	log := f.DecisionLog()
	switch {
	case f.Clustered():
		c.failIf(f.MySQL.DSN == "", "mysql.dsn", "store.engine is mysql, so name the database, as in "+
			"concord:PASSWORD@tcp(10.0.0.7:3306)/concord")
		c.failIf(log == EngineEmbedded, "mq.engine", "embedded is for one machine; with store.engine mysql choose "+
			"rocketmq, or off")
	case f.Store.Engine == EnginePebble:
		c.failIf(f.MySQL.DSN != "", "mysql.dsn", "it is set, but store.engine is pebble; add --store mysql")
		c.failIf(log != EngineEmbedded, "mq.engine", "with store.engine pebble decisions are in the embedded log; "+
			"choose embedded or auto, or add --store mysql")
	}
	c.failIf(log == EngineRocketMQ && len(f.RocketMQ.Namesrv) == 0, "rocketmq.namesrv",
		"decisions go to RocketMQ, so name its name servers; or publish nothing with --mq off")
	c.failIf(log != EngineRocketMQ && len(f.RocketMQ.Namesrv) > 0, "rocketmq.namesrv",
		"it is set, but decisions do not go to RocketMQ; add --mq rocketmq")
	for _, server := range f.RocketMQ.Namesrv {
		c.address("rocketmq.namesrv", server)
	}
	c.failIf((f.RocketMQ.AccessKey == "") != (f.RocketMQ.SecretKey == ""), "rocketmq.secretKey",
		"accessKey and secretKey belong together")
	zk := f.Registry.Engine == EngineZooKeeper
	c.failIf(zk && len(f.ZooKeeper.Servers) == 0, "zookeeper.servers", "registry.engine is zookeeper, so name its servers")
	c.failIf(!zk && len(f.ZooKeeper.Servers) > 0, "zookeeper.servers", "it is set, but registry.engine is %s; add "+
		"--registry zookeeper", f.Registry.Engine)
	for _, server := range f.ZooKeeper.Servers {
		host, _, _ := strings.Cut(server, "/")
		c.address("zookeeper.servers", host)
	}
	c.failIf(f.ZooKeeper.Cluster == "" || strings.Contains(f.ZooKeeper.Cluster, "/"), "zookeeper.cluster",
		"%q is no name without slashes", f.ZooKeeper.Cluster)
	c.failIf(!strings.HasPrefix(f.ZooKeeper.Root, "/") || strings.HasSuffix(f.ZooKeeper.Root, "/"), "zookeeper.root",
		"%q is no path such as /registry/zk", f.ZooKeeper.Root)
	c.failIf(f.ZooKeeper.Digest != "" && !strings.Contains(f.ZooKeeper.Digest, ":"), "zookeeper.digest",
		"it is not USER:PASSWORD")
	c.node(&f.Node)
	between(c, "rocketmq.unreadAfter", f.RocketMQ.UnreadAfter, time.Second, time.Hour)
	between(c, "zookeeper.sessionTimeout", f.ZooKeeper.SessionTimeout, time.Second, time.Minute)
}

func (c *checker) node(n *Node) {
	c.failIf(n.ID != "" && !nodeForm.MatchString(n.ID), "node.id", "%q is not 1 to 100 of A-Z a-z 0-9 . _ : -", n.ID)
	c.failIf(n.Secret != "" && len(n.Secret) < 16, "node.secret", "it is shorter than 16 bytes")
	if n.Internal != "" {
		c.address("node.internal", n.Internal)
	}
	between(c, "node.lease", n.Lease, time.Second, 5*time.Minute)
	between(c, "node.leave", n.Leave, 0, 10*time.Minute)
	between(c, "node.clockOffset", n.ClockOffset, -48*time.Hour, 48*time.Hour)
}
