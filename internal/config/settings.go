package config

import "time"

// Config is every setting of `concord serve`. The comment of each field is its documentation everywhere: it says what
// the setting does and what goes wrong when it is set badly; the default is in defaults.go.
type Config struct {
	// Directory of the store and the decision log. It is created if missing; one process at a time may use it.
	// Losing it loses every transaction that has not ended, so it belongs on a disk that survives the machine.
	Data string `koanf:"data"`
	// Address, HOST:PORT, on which Seata clients connect. An empty host means all interfaces.
	TC string `koanf:"tc"`
	// Address, HOST:PORT, of the HTTP API, health checks and metrics. With dev it must be a loopback address.
	HTTP string `koanf:"http"`
	// Address, HOST:PORT, that is written into every xid and by which clients reach this node. Empty means the bound
	// address, or the first address that is not loopback if all interfaces are bound. Clients must be able to connect
	// to it: behind a port mapping it has to be set by hand.
	Advertise string `koanf:"advertise"`
	// Opens the HTTP API without keys, on loopback only. For development: whoever can reach it can end transactions.
	Dev bool `koanf:"dev"`
	// Directory with the console that is served instead of the one in the binary, read anew at each request. For those
	// who work on it; needs dev.
	ConsoleDir string `koanf:"consoleDir" hidden:"true"`

	// What is logged, and how.
	Log Log `koanf:"log"`
	// Bounds of what is accepted and how long is waited.
	Limits Limits `koanf:"limits"`
	// How failed attempts at a branch's phase two are repeated.
	Retry Retry `koanf:"retry"`
	// Where the truth is kept.
	Store Store `koanf:"store"`
	// The database of a cluster; used with store.engine mysql.
	MySQL MySQL `koanf:"mysql"`
	// How decisions are published.
	MQ MQ `koanf:"mq"`
	// The message broker; used with mq.engine rocketmq.
	RocketMQ RocketMQ `koanf:"rocketmq"`
	// How Seata clients find the nodes.
	Registry Registry `koanf:"registry"`
	// The registry's servers; used with registry.engine zookeeper.
	ZooKeeper ZooKeeper `koanf:"zookeeper"`
	// This node's place in a cluster; used with store.engine mysql.
	Node Node `koanf:"node"`
	// Traces, sent in OpenTelemetry's protocol.
	Trace Trace `koanf:"trace"`
	// Connections of Seata clients.
	Session Session `koanf:"session"`
	// Who may connect as a Seata client.
	Auth Auth `koanf:"auth"`
	// The HTTP server.
	Web Web `koanf:"web"`
	// Who may use the HTTP API.
	Access Access `koanf:"access"`
	// TLS of the ports.
	TLS TLS `koanf:"tls"`
	// Calls to participants that are reached by HTTP.
	Callback Callback `koanf:"callback"`
	// Sagas.
	Saga Saga `koanf:"saga"`
}

// Log says what is logged, and how.
type Log struct {
	// Least level that is logged: debug, info, warn or error. Debug writes several lines for each transaction, which
	// costs more than the transaction itself.
	Level string `koanf:"level"`
	// Format of the log: text, json, or auto, which is text on a terminal and json otherwise.
	Format string `koanf:"format"`
}

// Limits bounds what is accepted and how long is waited.
type Limits struct {
	// Number of transactions that may be live at once; a begin beyond it is refused as busy. The store keeps an index
	// of all of them in memory.
	LiveMax int `koanf:"liveMax" live:"true"`
	// Number of live transactions that are kept in memory whole, at about 1.5 KB for one with two branches; others are
	// read from the store when needed. More than are busy within a second or two only cost.
	CachedMax int `koanf:"cachedMax"`
	// Number of branches that one transaction may have.
	BranchesMax int `koanf:"branchesMax" live:"true"`
	// Length in bytes of one branch's lock key. Each row in it is a record in the store.
	LockKeyBytesMax Bytes `koanf:"lockKeyBytesMax"`
	// Number of rows that one branch may lock.
	LockRowsMax int `koanf:"lockRowsMax"`
	// Length in bytes of one branch's application data, which is kept until the transaction is past retention.
	DataBytesMax Bytes `koanf:"dataBytesMax"`
	// Time that a branch registration waits for rows that another transaction has locked before it is refused. Keep it
	// well below the clients' RPC timeout (15 s at the least), or they give up first; 0 never waits.
	LockWait time.Duration `koanf:"lockWait" live:"true"`
	// Number of registrations that may wait for rows at once; more are refused at once.
	LockWaitersMax int `koanf:"lockWaitersMax" live:"true"`
	// Time that a commit or rollback request waits for phase two before it is answered with "retrying". Keep it below
	// the clients' RPC timeout.
	EndWait time.Duration `koanf:"endWait" live:"true"`
	// Longest timeout that a client may ask for; longer ones are cut to it. Locks are held that long if a client dies.
	TimeoutMax time.Duration `koanf:"timeoutMax" live:"true"`
	// Time between two looks at what is due. It bounds how late a timeout or a retry can be.
	Sweep time.Duration `koanf:"sweep"`
	// Time that a shutdown waits for requests under way before it closes connections.
	Drain time.Duration `koanf:"drain"`
}

// Retry spaces the attempts at a branch's phase two.
type Retry struct {
	// Delay after the first failed attempt; each further one doubles it, within ±20 %.
	First time.Duration `koanf:"first" live:"true"`
	// Longest delay between two attempts.
	Max time.Duration `koanf:"max" live:"true"`
	// Delay after an attempt for which no client was connected.
	Unreachable time.Duration `koanf:"unreachable" live:"true"`
	// Number of attempts after which a transaction is stuck: shown, alerting, and tried at the slow pace. 0 never.
	Attempts int `koanf:"attempts" live:"true"`
	// Delay between attempts once the number of attempts is used up.
	SlowDelay time.Duration `koanf:"slowDelay" live:"true"`
	// Time that an answer to a phase-two command is waited for before the attempt counts as failed. seata-go never
	// answers a failed phase two, so this is also how soon it is asked again.
	Answer time.Duration `koanf:"answer"`
	// Time that a participant that was reached by a message has to report back, where its branch asks for that, before
	// the message is published again. It must be longer than the participant's work takes, or it gets it twice.
	Report time.Duration `koanf:"report"`
	// Number of messages without a report after which a transaction is stuck: shown, alerting, and sent to at the same
	// pace. 0 never.
	Reports int `koanf:"reports"`
	// Time that the decision log has to deliver a decision before the sweeper drives it.
	Grace time.Duration `koanf:"grace" live:"true"`
	// Least time after the deadline from which an XA branch that its database does not know counts as finished. Too
	// short a time finishes branches that were never prepared.
	XANotFound time.Duration `koanf:"xaNotFound" live:"true"`
}

// Store says where the truth is kept.
type Store struct {
	// Store that holds the truth: pebble, which is embedded and needs nothing else, for one machine; or mysql, for a
	// cluster of nodes on one database (MySQL, MariaDB or TiDB).
	Engine string `koanf:"engine" flag:"store"`
	// Time for which an ended transaction is kept. Clients that repeat an end request after that are told that it
	// is unknown, so it is at least 10m.
	Retention time.Duration `koanf:"retention"`
	// Free disk space, with pebble, below which no new transaction is accepted. Those under way need it to end.
	DiskReserve Bytes `koanf:"diskReserve"`
	// Memory for cached blocks of the store, with pebble.
	Cache Bytes `koanf:"cache"`
}

// MySQL is the database of a cluster.
type MySQL struct {
	// Address and credentials, as USER:PASSWORD@tcp(HOST:PORT)/DATABASE?PARAMETERS. Every node names the same
	// database; add tls=true where the network is not trusted. Prefer the environment or the file: flags can be read
	// by every user of the machine.
	DSN string `koanf:"dsn" secret:"true"`
	// Brings the tables up to date at start, as 'concord migrate' does. Nodes that start together wait for each other.
	Migrate bool `koanf:"migrate"`
}

// MQ says how decisions are published.
type MQ struct {
	// Log that publishes decisions: embedded, read over HTTP, for one machine; rocketmq, for a cluster; off, which
	// publishes nothing, the deciding node driving phase two itself; or auto, which is embedded with store.engine
	// pebble and rocketmq with mysql.
	Engine string `koanf:"engine" flag:"mq"`
	// First part of the names of the topics, PREFIX-commit and PREFIX-rollback, and of the groups that belong to them.
	// All nodes of a cluster have the same, no two clusters on one broker do.
	Prefix string `koanf:"prefix"`
}

// RocketMQ is the message broker.
type RocketMQ struct {
	// Name servers, each as HOST:PORT.
	Namesrv []string `koanf:"namesrv"`
	// Access key for brokers with access control; empty signs nothing.
	AccessKey string `koanf:"accessKey"`
	// Secret key that belongs to the access key.
	SecretKey string `koanf:"secretKey" secret:"true"`
	// What a decision does while the broker is away: with queue it is stored and answered, and published later; with
	// refuse it is answered as unavailable, so that nothing is decided that consumers do not learn of soon.
	Mode string `koanf:"mode" live:"true"`
	// Makes missing topics at start. Without it a missing topic is an error that names it.
	CreateTopics bool `koanf:"createTopics"`
	// Age at which a decision that our own consumer has not read is published once more.
	UnreadAfter time.Duration `koanf:"unreadAfter"`
}

// Registry says how Seata clients find the nodes.
type Registry struct {
	// Registry that the node is entered in: none, where clients are configured with addresses; or zookeeper.
	Engine string `koanf:"engine" flag:"registry"`
}

// ZooKeeper is the registry's servers.
type ZooKeeper struct {
	// Servers, each as HOST:PORT, at most one path behind the last as a root for everything: HOST:PORT/PATH.
	Servers []string `koanf:"servers" flag:"zookeeper"`
	// Name of the cluster under which nodes are entered: what clients name in service.vgroupMapping.
	Cluster string `koanf:"cluster"`
	// Path under which Seata clients look for clusters.
	Root string `koanf:"root"`
	// Time after which a node that is gone disappears from the registry.
	SessionTimeout time.Duration `koanf:"sessionTimeout"`
	// Credentials, as USER:PASSWORD, of the digest scheme; empty for none.
	Digest string `koanf:"digest" secret:"true"`
}

// Node is this node's place in a cluster.
type Node struct {
	// Name of this node, different from all others and the same after a restart. Empty means the advertised address.
	ID string `koanf:"id"`
	// Time after which a node that does not renew its lease is taken for dead and its work goes to the others. A
	// short one makes a slow database or a long pause look like a death.
	Lease time.Duration `koanf:"lease"`
	// Secret by which nodes know each other when they hand phase two over; the same on all nodes, at least 16 bytes.
	// Without it only clients that are connected to the driving node are reached.
	Secret string `koanf:"secret" secret:"true"`
	// Address, HOST:PORT, at which other nodes reach this node's HTTP server. Empty means the host of advertise and the
	// port of http.
	Internal string `koanf:"internal"`
	// Time for which a node that was told to stop goes on serving after it has left the registry, so that clients
	// learn of it first.
	Leave time.Duration `koanf:"leave"`
	// For tests: added to this machine's clock, to show that a wrong one does no harm.
	ClockOffset time.Duration `koanf:"clockOffset" hidden:"true"`
}

// Session bounds the connections of Seata clients.
type Session struct {
	// Number of clients that may be connected at once; more are closed with one log line. It has to stay below the
	// process's limit of open files.
	Max int `koanf:"max"`
	// Time after which a connection that sends nothing is closed, if it ever sent a heartbeat. Clients send one every
	// 5 s.
	Idle time.Duration `koanf:"idle"`
	// Length in bytes of the largest frame that is read, at most 8MiB; a larger one closes the connection.
	FrameBytesMax Bytes `koanf:"frameBytesMax"`
	// Number of requests of one connection that may be under way at once; more are answered as failed.
	RequestsMax int `koanf:"requestsMax"`
	// Bytes that may wait to be written to one connection; a slower reader is closed.
	WriteBytesMax Bytes `koanf:"writeBytesMax"`
	// Time between two requests to delete old undo logs that are sent for each AT resource; 0 sends none, and undo logs
	// that crashed clients left behind stay.
	UndoLogDelete time.Duration `koanf:"undoLogDelete"`
	// Age in days from which undo logs are deleted by that request.
	UndoLogDays int `koanf:"undoLogDays"`
}

// Auth says who may connect as a Seata client.
type Auth struct {
	// What is done with the access-key signature of Seata clients: off does not look at it, log accepts every client
	// and logs a wrong signature, enforce refuses it. Off leaves the port open to everybody who reaches it; clients
	// before 1.5 sign nothing and cannot pass enforce.
	Mode string `koanf:"mode"`
	// Access keys, each as "accessKey:secretKey", the same as in the clients' configuration. Prefer the file: flags
	// can be read by every user of the machine.
	Keys []string `koanf:"keys" secret:"true"`
}

// Trace says where traces are sent.
type Trace struct {
	// URL of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; without a path it is /v1/traces.
	// Empty traces nothing. The standard variables OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME,
	// OTEL_EXPORTER_OTLP_HEADERS and OTEL_EXPORTER_OTLP_CERTIFICATE count as well.
	Endpoint string `koanf:"endpoint"`
	// Share of the transactions that begin without a traceparent of their own that are traced, as 0.01 or 1%. Those that
	// come with one are traced if it says so. Each costs some microseconds and ten or more spans.
	Sample Ratio `koanf:"sample"`
	// Headers that are sent to the collector, each as NAME=VALUE.
	Headers []string `koanf:"headers" secret:"true"`
}

// Web sets up the HTTP server.
type Web struct {
	// Time that a client has to send the header of a request.
	HeaderTimeout time.Duration `koanf:"headerTimeout"`
	// Time after which an idle connection is closed.
	IdleTimeout time.Duration `koanf:"idleTimeout"`
	// Length in bytes of the largest request body that is read.
	BodyBytesMax Bytes `koanf:"bodyBytesMax"`
}

// Access says who may use the HTTP API. Without dev it needs API keys, or people of an OpenID provider.
type Access struct {
	// Token that counts as an admin's key; at least 32 bytes. For installations that programs set up, and the way back
	// in when all keys are lost. Whoever has it can do everything: take it out when there are keys.
	Token string `koanf:"token" secret:"true"`
	// URL at which browsers reach this server, without a path. With https it also says that a proxy before this server
	// speaks TLS: then cookies are sent over TLS alone.
	PublicURL string `koanf:"publicURL"`
	// Time without use after which a browser has to sign in again.
	Idle time.Duration `koanf:"idle"`
	// Time after which a browser has to sign in again in any case.
	Absolute time.Duration `koanf:"absolute"`
	// Shows /metrics to everybody. Otherwise it is for this machine, and for keys with the role viewer.
	MetricsOpen bool `koanf:"metricsOpen"`
	// Operations that need two people: one asks, another one with the role resolver approves the same plan within an
	// hour. Of skip, release, and discard, which is the end of dead letters. With one resolver nobody can do them.
	FourEyes []string `koanf:"fourEyes"`
	// Fields of what clients gave that are not shown to people: names, or paths with dots in which * is any name. Services
	// with a key, participants and consumers get them. Case does not matter.
	Mask []string `koanf:"mask"`
	// URL of an OpenID provider at which people sign in; empty for none.
	OIDCIssuer string `koanf:"oidcIssuer"`
	// Name by which the provider knows this server. PUBLICURL/auth/callback is where it sends people back to.
	OIDCClient string `koanf:"oidcClient"`
	// Secret by which the provider knows this server; empty for a public client.
	OIDCSecret string `koanf:"oidcSecret" secret:"true"`
	// Scopes that the provider is asked for besides openid.
	OIDCScopes []string `koanf:"oidcScopes"`
	// Audience of tokens of the provider that programs may send instead of an API key; empty takes none.
	OIDCAudience string `koanf:"oidcAudience"`
	// Claim whose values give roles. A dot leads into a nested claim, as in realm_access.roles.
	OIDCRolesClaim string `koanf:"oidcRolesClaim"`
	// Roles that values of that claim give, each as VALUE=ROLE; the value * is had by everybody whom the provider knows.
	// The roles are viewer, operator, resolver, admin and service.
	OIDCRoles []string `koanf:"oidcRoles"`
}

// TLS sets up TLS 1.3 of the ports. New files count without a restart: they are looked at every 10 s, and on SIGHUP.
type TLS struct {
	// File with the certificate (PEM) and those between it and its authority. With it the HTTP port speaks TLS alone.
	Cert string `koanf:"cert"`
	// File with the certificate's private key (PEM).
	Key string `koanf:"key"`
	// File with the authorities (PEM) whose certificates all clients of ports with TLS have to show; empty asks for
	// none. Browsers and health checks have to show one, too.
	ClientCA string `koanf:"clientCA"`
	// Whether the port for Seata clients speaks TLS: off, or require, which refuses clients that do not.
	Seata string `koanf:"seata"`
	// File with the authorities (PEM) by which other nodes are known when this node calls them; empty trusts the
	// machine's.
	NodeCA string `koanf:"nodeCA"`
}

// Saga sets up sagas.
type Saga struct {
	// Time that a run may take if its definition does not say. When it has passed, what was done is compensated. Runs
	// that are under way keep theirs.
	Deadline time.Duration `koanf:"deadline"`
}

// Callback sets up the calls to participants that are reached by HTTP.
type Callback struct {
	// Targets that may be called, each a HOST, *.SUFFIX, * for any name, an address, or a network as in 10.0.0.0/8; with
	// :PORT for that port alone. A name may lead to public addresses; any other address has to be listed, too, by itself
	// or by its network, and those of metadata services by themselves. Empty calls nobody but, with dev, this machine.
	Allow []string `koanf:"allow"`
	// Permits http, not only https, to other machines. Payloads can be read and answers forged on the way.
	Insecure bool `koanf:"insecure"`
	// Proxy, as http://USER:PASSWORD@HOST:PORT, through which all calls go. It resolves the names, so that it has to
	// refuse addresses itself. Empty uses none; those of the environment are never used.
	Proxy string `koanf:"proxy" secret:"true"`
	// File with certificates (PEM) of authorities that participants are trusted by besides those of the machine.
	CA string `koanf:"ca"`
	// Secrets that sign the calls, so that participants know where they come from; at least 16 bytes each, the newest
	// first. Each signs, so that participants can be given a new one while the old one is still known to others.
	// Without any, whoever reaches a participant can confirm and cancel in our name.
	Secrets []string `koanf:"secrets" secret:"true"`
	// Time that an attempt may take where the branch does not say. It is less than retry.answer, so that a call can wait
	// for its turn for the rest of it; where it is not, two thirds of that count.
	Timeout time.Duration `koanf:"timeout"`
	// Number of calls that may be under way at once. Each needs a connection, so a file of the process's limit.
	InFlight int `koanf:"inFlight"`
	// Number of calls that may be under way at once to one target, a scheme, host and port.
	PerTarget int `koanf:"perTarget"`
	// Number of calls that may wait for one target; more come again later.
	Queued int `koanf:"queued"`
	// Number of failed connections and missing answers in a row after which a target is taken for dead: then one call at
	// a time finds out whether it still is, and the others wait without costing anything.
	Failures int `koanf:"failures"`
	// Share of the first attempts at a target, in percent, that may be made again after failures, besides retryRate.
	RetryPercent int `koanf:"retryPercent"`
	// Number of attempts each second that may be made again at a target after failures, besides retryPercent. Attempts
	// that succeed are not counted.
	RetryRate int `koanf:"retryRate"`
}
