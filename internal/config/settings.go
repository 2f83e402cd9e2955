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

	// What is logged, and how.
	Log Log `koanf:"log"`
	// Bounds of what is accepted and how long is waited.
	Limits Limits `koanf:"limits"`
	// How failed attempts at a branch's phase two are repeated.
	Retry Retry `koanf:"retry"`
	// The embedded store.
	Store Store `koanf:"store"`
	// Connections of Seata clients.
	Session Session `koanf:"session"`
	// Who may connect as a Seata client.
	Auth Auth `koanf:"auth"`
	// The HTTP server.
	Web Web `koanf:"web"`
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
	LiveMax int `koanf:"liveMax"`
	// Number of live transactions that are kept in memory whole, at about 1.5 KB for one with two branches; others are
	// read from the store when needed. More than are busy within a second or two only cost.
	CachedMax int `koanf:"cachedMax"`
	// Number of branches that one transaction may have.
	BranchesMax int `koanf:"branchesMax"`
	// Length in bytes of one branch's lock key. Each row in it is a record in the store.
	LockKeyBytesMax Bytes `koanf:"lockKeyBytesMax"`
	// Number of rows that one branch may lock.
	LockRowsMax int `koanf:"lockRowsMax"`
	// Length in bytes of one branch's application data, which is kept until the transaction is past retention.
	DataBytesMax Bytes `koanf:"dataBytesMax"`
	// Time that a branch registration waits for rows that another transaction has locked before it is refused. Keep it
	// well below the clients' RPC timeout (15 s at the least), or they give up first; 0 never waits.
	LockWait time.Duration `koanf:"lockWait"`
	// Number of registrations that may wait for rows at once; more are refused at once.
	LockWaitersMax int `koanf:"lockWaitersMax"`
	// Time that a commit or rollback request waits for phase two before it is answered with "retrying". Keep it below
	// the clients' RPC timeout.
	EndWait time.Duration `koanf:"endWait"`
	// Longest timeout that a client may ask for; longer ones are cut to it. Locks are held that long if a client dies.
	TimeoutMax time.Duration `koanf:"timeoutMax"`
	// Time between two looks at what is due. It bounds how late a timeout or a retry can be.
	Sweep time.Duration `koanf:"sweep"`
	// Time that a shutdown waits for requests under way before it closes connections.
	Drain time.Duration `koanf:"drain"`
}

// Retry spaces the attempts at a branch's phase two.
type Retry struct {
	// Delay after the first failed attempt; each further one doubles it, within ±20 %.
	First time.Duration `koanf:"first"`
	// Longest delay between two attempts.
	Max time.Duration `koanf:"max"`
	// Delay after an attempt for which no client was connected.
	Unreachable time.Duration `koanf:"unreachable"`
	// Number of attempts after which a transaction is stuck: shown, alerting, and tried at the slow pace. 0 never.
	Attempts int `koanf:"attempts"`
	// Delay between attempts once the number of attempts is used up.
	SlowDelay time.Duration `koanf:"slowDelay"`
	// Time that an answer to a phase-two command is waited for before the attempt counts as failed. seata-go never
	// answers a failed phase two, so this is also how soon it is asked again.
	Answer time.Duration `koanf:"answer"`
	// Time that the decision log has to deliver a decision before the sweeper drives it.
	Grace time.Duration `koanf:"grace"`
	// Least time after the deadline from which an XA branch that its database does not know counts as finished. Too
	// short a time finishes branches that were never prepared.
	XANotFound time.Duration `koanf:"xaNotFound"`
}

// Store sets up the embedded store.
type Store struct {
	// Time for which an ended transaction is kept. Clients that repeat an end request after that are told that it
	// is unknown, so it is at least 10m.
	Retention time.Duration `koanf:"retention"`
	// Free disk space below which no new transaction is accepted. Those under way need it to end.
	DiskReserve Bytes `koanf:"diskReserve"`
	// Memory for cached blocks of the store.
	Cache Bytes `koanf:"cache"`
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

// Web sets up the HTTP server.
type Web struct {
	// Time that a client has to send the header of a request.
	HeaderTimeout time.Duration `koanf:"headerTimeout"`
	// Time after which an idle connection is closed.
	IdleTimeout time.Duration `koanf:"idleTimeout"`
	// Length in bytes of the largest request body that is read.
	BodyBytesMax Bytes `koanf:"bodyBytesMax"`
}
