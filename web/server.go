package web

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/journal"
	"github.com/concord-tx/concord/web/playground"
)

// Coordinator is what the API needs of the runtime. *orchestrator.Coordinator is the real one; tests bring another.
type Coordinator interface {
	Start(req orchestrator.BeginRequest, done func(*txn.Global, error))
	Enlist(id int64, all []orchestrator.RegisterRequest, done func(*txn.Global, error))
	Reply(id int64, r txn.Reply)
	StepReply(xid txn.XID, r txn.Reply, done func(g *txn.Global, taken bool, err error))
	Get(id int64, done func(*txn.Global, error))
	Decide(req orchestrator.DecideRequest, done func(*txn.Global, error))
	ReserveID() (int64, error)
	StartSaga(req orchestrator.SagaRequest, done func(*txn.Global, error))
	MoveSaga(id int64, version uint32, judge func(*txn.Global, txn.Millis) (txn.Move, error),
		done func(*txn.Global, error))
	Signal(id int64, ev txn.Signal, done func(*txn.Global, error))
	Plan(id int64, op txn.Operation, done func(txn.Plan, error))
	Allowed(id int64, op txn.Operation, done func(error))
	Operate(req orchestrator.OperateRequest, done func(*txn.Global, error))
	List(ctx context.Context, q orchestrator.Query) (orchestrator.Page, error)
	Locks(ctx context.Context, q orchestrator.LockQuery) (orchestrator.LockPage, error)
	Counts(ctx context.Context) (orchestrator.Counts, error)
	Oldest(ctx context.Context) (txn.Millis, error)
	Waits(limit int) []orchestrator.WaitEdge
	WaitsOf(id int64, limit int) (own, behind []orchestrator.WaitEdge)
	WaitersOf(rows []txn.Row) []int
	WaitEdges(ctx context.Context) ([]orchestrator.WaitEdge, error)
	WaitsElsewhere(ctx context.Context) ([]orchestrator.WaitEdge, error)
	HotRows(limit int) []orchestrator.HotRow
	Stats() orchestrator.Stats
}

// Options are the parts and parameters of a [Server]. Coordinator is required.
type Options struct {
	Coordinator Coordinator
	// Version is shown by the API and in the metrics.
	Version Version
	// Dev opens the API, without keys. The caller sees to it that the listener is on loopback.
	Dev bool
	// Access decides who may do what, where Dev does not. Nil: the API is closed.
	Access *access.Gate
	// ConsoleDir has the console that is served instead of the one in the binary. For its development.
	ConsoleDir string
	// Playground says where samples go, with Dev. Nil: there is none.
	Playground *playground.Options
	// MetricsOpen shows /metrics to everybody; otherwise to this machine and to viewers.
	MetricsOpen bool
	// FourEyes are the operations that need two people, of [FourEyesOperations].
	FourEyes []string
	// Mask are the rules by which fields of what clients gave are not shown to people.
	Mask []string
	// Journal keeps what people did. Nil: nobody does.
	Journal *journal.Journal
	// Prefix is the "host:port" of xids that this node begins; waits are shown with it.
	Prefix string
	// Ready returns why the server should get no new work; empty means ready. Nil: always ready.
	Ready func() []Reason
	// Latency says how long transactions took lately. Nil: nobody knows.
	Latency func() Latency
	// Degraded returns what does not work as it should, although new work is welcome. Nil: nothing.
	Degraded func() []Reason
	// Nodes lists the nodes of the cluster, of which Node is this one's id. Nil: one machine.
	Nodes func(ctx context.Context) ([]orchestrator.Node, error)
	Node  string
	// Drain says of any live node that it is drained, or not any more. Nil: one machine.
	Drain func(ctx context.Context, node string, draining bool) error
	// Settings are those that change at run time. Nil: one machine.
	Settings Settings
	// Internal answers what is under /internal/; it sees to its own authentication. Nil: nothing is there.
	Internal http.Handler
	// Events are the published events. Nil: they are elsewhere, and EventsElsewhere says where.
	Events          Events
	EventsElsewhere string
	// Decisions shows what was published. Nil: the decisions among Events, if there are any.
	Decisions Decisions
	// DecisionStream gives decisions as they are published. Nil: the decisions among Events, if there are any.
	DecisionStream DecisionStream
	// Letters are the dead letters of consumer groups. Nil: those of Events, if there are any.
	Letters Letters
	// Halves are the half messages without an end. Nil: there can be none.
	Halves func(ctx context.Context) (Halves, error)
	// Queues asks brokers how their queues are. Nil: the log among Events, if there is one.
	Queues func(ctx context.Context) (Queues, error)
	// CheckTopic says why a branch cannot have a topic, for people. Nil: it may have any.
	CheckTopic func(topic string) error
	// CheckURL says why a branch cannot have a URL, for people. Nil: it may have any.
	CheckURL func(url string) error
	// NoticeTopic is where consumers learn of heuristic operations, Notice makes the event of one. "" and nil: nobody is
	// told.
	NoticeTopic string
	Notice      func(g *txn.Global, op txn.Operation, branchID int64, actor string) string
	// DecisionTopic names the topic on which an outcome is published. Nil: nothing is.
	DecisionTopic func(txn.Outcome) string
	// Sagas has the definitions of sagas. Nil: there are none.
	Sagas Sagas
	// Tasks hands steps of sagas to workers. Nil: there are none.
	Tasks Tasks
	// Retention is how long records of ended transactions are kept at least; 0: as short as that can be.
	Retention time.Duration
	// Documents is what the API remembers. Nil: replies to idempotent requests are not stored.
	Documents orchestrator.Documents
	// Heartbeat is the time between two signs of life of a quiet event stream, StreamWriteLimit how long its reader may
	// take to take what is written; 0 means 15 s and 10 s.
	Heartbeat, StreamWriteLimit time.Duration
	// Sessions lists the connected clients. Nil: none.
	Sessions func() []Session
	// RemoteSessions lists who is connected to other nodes. Nil: one machine, or nothing is handed over.
	RemoteSessions func(ctx context.Context) ([]orchestrator.RemoteSession, error)
	// Config lists the settings in force, without secrets. Nil: none are shown.
	Config func() []ConfigEntry
	// Targets is what is known of the places that participants are called at. Nil: nothing.
	Targets func() []Target
	// Publication is how far decisions are ahead of what is published. Nil: both are one write.
	Publication func(ctx context.Context) (Publication, error)
	// Tracer makes spans of requests. Nil: nobody does.
	Tracer Tracer
	// Samples returns the numbers of other parts for /metrics. Nil: none.
	Samples func() []Sample
	// Collectors are metrics of other parts that are no [Sample].
	Collectors []prometheus.Collector
	// HeaderTimeout, IdleTimeout and BodyBytesMax bound what a client may take; 0 means 5 s, 2 min and 1 MiB.
	HeaderTimeout, IdleTimeout time.Duration
	BodyBytesMax               int64
	// Clock is the time that waits and ages are measured against; nil: the machine's.
	Clock  orchestrator.Clock
	Logger *slog.Logger // nil: discarded
}

// Version says which build runs.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
}

// Reason is one cause of not being ready.
type Reason struct {
	Code     string `json:"code"`
	Sentence string `json:"sentence"`
}

// Session is one connection of a Seata client.
type Session struct {
	// Client is "application:ip:port"; Application, Group and Version are what it said of itself.
	Client, Application, Group, Version string
	// TM and RM say what it registered as.
	TM, RM bool
	// Codec is the body codec that it uses.
	Codec     string
	Resources []string
	// Requests is how many of its requests wait for an answer, Commands how many answers it owes.
	Requests, Commands int
	ConnectedAt        txn.Millis
}

// Server is the HTTP server.
type Server struct {
	o         Options
	engine    *gin.Engine
	rules     map[string]rule // by method and path
	mask      *mask           // what is not shown to people
	templates map[string]string
	byRoute   map[route]rule // the same
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	observers observers
	crossing  *http.CrossOriginProtection
	streams   atomic.Int64 // open event streams
	watchers  atomic.Int64 // those of them that look again and again
	followers atomic.Int64 // those of them that read a broker
	overviews overviews
	pulses    pulses
	answers   buffers
	waits     waits
	jobs      atomic.Int64 // jobs that this node runs
	queues    queueCache
	closing   chan struct{} // closed when Run begins to shut down
	// playground is nil where there is none.
	playground *playground.Playground
}

// openAPI is the description of the API.
//
//go:embed openapi.yaml
var openAPI []byte

// answerWait bounds how long the answer of the runtime is waited for; it is above every bound of the runtime.
const answerWait = 30 * time.Second

// New builds a server.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = orchestrator.SystemClock{}
	}
	o.HeaderTimeout = cmp.Or(o.HeaderTimeout, 5*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 2*time.Minute)
	o.BodyBytesMax = cmp.Or(o.BodyBytesMax, 1<<20)
	s := &Server{
		o: o, rules: rules(), byRoute: map[route]rule{}, crossing: http.NewCrossOriginProtection(),
		closing: make(chan struct{}), mask: newMask(o.Mask),
		queues: queueCache{token: make(chan struct{}, 1)},
	}
	for name, r := range s.rules {
		method, path, _ := strings.Cut(name, " ")
		s.byRoute[route{method, path}] = r
	}
	s.registry, s.requests = newRegistry(s)
	if o.Dev && o.Playground != nil {
		s.playground = playground.New(*o.Playground)
	}

	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.ContextWithFallback = true
	if err := e.SetTrustedProxies(nil); err != nil {
		panic("web: " + err.Error()) // a constant argument
	}
	e.Use(s.observe, s.recovered, s.gate, s.idempotent, s.journaled)
	e.NoRoute(s.serveConsole())
	e.NoMethod(func(c *gin.Context) { s.refuse(c, problemNoMethod) })
	s.engine = e
	s.routes()
	s.templates = templatesOf(e)
	return s
}

// routes is the whole API; openapi.yaml says the same.
func (s *Server) routes() {
	for _, m := range []string{http.MethodGet, http.MethodHead} { // load balancers ask with HEAD
		s.engine.Handle(m, "/healthz", s.health)
		s.engine.Handle(m, "/readyz", s.ready)
	}
	s.engine.GET("/metrics", s.metrics())
	s.engine.GET("/openapi.yaml", func(c *gin.Context) { c.Data(http.StatusOK, "application/yaml", openAPI) })
	s.docsRoutes()
	v1 := s.engine.Group("/api/v1")
	v1.GET("/version", func(c *gin.Context) { c.JSON(http.StatusOK, s.o.Version) })
	v1.GET("/transactions", s.listTransactions)
	v1.POST("/transactions", s.beginTransaction)
	v1.POST("/transactions/:xid/branches", s.registerBranch)
	v1.POST("/transactions/:xid/branches/:branch/report", s.reportBranch)
	v1.GET("/transactions/export", s.exportTransactions)
	v1.GET("/transactions/:xid", s.showTransaction)
	v1.GET("/transactions/:xid/history", s.showHistory)
	v1.GET("/transactions/:xid/why", s.showWhy)
	v1.GET("/transactions/:xid/stream", s.streamTransaction)
	v1.GET("/overview", s.showOverview)
	v1.GET("/overview/history", s.showPulse)
	v1.GET("/stream", s.streamOverview)
	v1.POST("/transactions/:xid/commit", s.decide(txn.Commit))
	v1.POST("/transactions/:xid/rollback", s.decide(txn.Rollback))
	v1.POST("/transactions/:xid/plan", s.planOperation)
	v1.POST("/transactions/:xid/operations", s.operate)
	v1.POST("/messages", s.prepareMessage)
	v1.POST("/messages/:xid/submit", s.settleMessage(txn.Commit))
	v1.POST("/messages/:xid/withdraw", s.settleMessage(txn.Rollback))
	v1.GET("/jobs", s.listJobs)
	v1.POST("/jobs", s.makeJob)
	v1.GET("/jobs/:job", s.showJob)
	v1.GET("/jobs/:job/items", s.listJobItems)
	v1.GET("/jobs/:job/items/export", s.exportJobItems)
	v1.POST("/jobs/:job/start", s.startJob)
	v1.POST("/jobs/:job/cancel", s.cancelJob)
	v1.GET("/views", s.listViews)
	v1.POST("/views", s.makeView)
	v1.PUT("/views/:view", s.changeView)
	v1.DELETE("/views/:view", s.deleteView)
	v1.GET("/locks", s.listLocks)
	v1.GET("/locks/graph", s.showLockGraph)
	v1.GET("/locks/hottest", s.listHotLocks)
	v1.GET("/waits", s.listWaits)
	v1.GET("/sessions", s.listSessions)
	v1.GET("/nodes", s.listNodes)
	v1.GET("/queues", s.listQueues)
	v1.POST("/nodes/:node/drain", s.drain)
	v1.GET("/settings", s.listSettings)
	v1.PUT("/settings/:key", s.putSetting)
	s.eventRoutes(v1)
	s.decisionRoutes(v1)
	s.clusterRoutes(v1)
	s.keyRoutes(v1)
	s.signinRoutes(v1)
	s.journalRoutes(v1)
	s.playgroundRoutes(v1)
	s.approvalRoutes(v1)
	s.inboxRoutes(v1)
	v1.POST("/sagas/replies", s.takeReply)
	s.sagaRoutes(v1)
	s.taskRoutes(v1)
}

// Handler returns everything that is served.
func (s *Server) Handler() http.Handler {
	if s.o.Internal == nil && s.playground == nil {
		return s.engine
	}
	var participants http.Handler
	if s.playground != nil {
		participants = s.playground.Participants()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.o.Internal != nil && strings.HasPrefix(r.URL.Path, "/internal/"):
			s.o.Internal.ServeHTTP(w, r)
		case participants != nil && strings.HasPrefix(r.URL.Path, playground.Path):
			participants.ServeHTTP(w, r)
		default:
			s.engine.ServeHTTP(w, r)
		}
	})
}

// Run serves on the listener until ctx ends, then lets requests under way finish for at most drain. It closes the
// listener, and runs once. It returns nil after ctx has ended, or the fault that ended serving.
func (s *Server) Run(ctx context.Context, listener net.Listener, drain time.Duration) error {
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: s.o.HeaderTimeout,
		ReadTimeout:       answerWait,
		WriteTimeout:      2 * answerWait, // from the end of the header: the answer is awaited, then read
		IdleTimeout:       s.o.IdleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	pulsed, beats := context.WithCancel(ctx)
	defer beats()
	go s.keepPulse(pulsed)
	defer s.runPlayground(ctx)()
	select {
	case err := <-ended:
		return fmt.Errorf("serve HTTP on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	close(s.closing)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		s.o.Logger.Warn("http requests were cut off at shutdown", "err", err)
		_ = server.Close() // the listener is closed already; nothing else can fail that matters now
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP on %s: %w", listener.Addr(), err)
	}
	return nil
}
