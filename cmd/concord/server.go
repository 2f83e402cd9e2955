package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/concord-tx/concord/callback"
	"github.com/concord-tx/concord/internal/certs"
	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/tasks"
	"github.com/concord-tx/concord/tc"
	"github.com/concord-tx/concord/telemetry"
	"github.com/concord-tx/concord/web"
	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/journal"
	"github.com/concord-tx/concord/web/playground"
)

// node is a running coordinator: its parts, from the bottom up.
type node struct {
	config      *config.Config
	logger      *slog.Logger
	engine      engine
	seata       *tc.Server
	callback    *callback.Transport
	tasks       *tasks.Queue
	catalog     *catalog.Catalog // of sagas; nil: not opened yet
	coordinator *orchestrator.Coordinator
	telemetry   *telemetry.Telemetry
	access      *access.Gate // nil: development mode
	journal     *journal.Journal
	certs       *certs.Keeper  // nil: no TLS
	nodeRoots   *x509.CertPool // nil: the machine's
	hangups     chan os.Signal // gets SIGHUP; nil: not opened yet
	listener    net.Listener
	advertise   string
	draining    atomic.Bool
	heap        []byte // see heapFloor
}

// engine is what differs between one machine and a cluster: where the truth is and how decisions are published.
type engine interface {
	// open opens the parts and adds them to what the coordinator is built from. The addresses of n are bound already.
	open(ctx context.Context, n *node, o *orchestrator.Options) error
	// documents returns what the API remembers things in, and the clock that counts there.
	documents() (orchestrator.Documents, orchestrator.Clock)
	// checkTopic says why the messages of sagas may not use a topic.
	checkTopic(name string) error
	// bind tells the parts of the coordinator.
	bind(c *orchestrator.Coordinator)
	// run does the parts' own work until ctx ends, or one of them fails for good.
	run(ctx context.Context) error
	// leave has clients go elsewhere before the node stops serving them. It returns when they had the time to.
	leave(ctx context.Context)
	// ready says why new work is not welcome; degraded what does not work as it should while new work is welcome.
	ready() []web.Reason
	degraded() []web.Reason
	samples() []web.Sample
	// web adds what the HTTP server offers of these parts.
	web(o *web.Options)
	// describe returns attributes for the line that says that the server is ready.
	describe() []any
	// close gives everything back. It is called after a failed open, too.
	close() error
}

// runServer builds a coordinator from the settings and runs it until ctx ends.
func (a *app) runServer(ctx context.Context, c *config.Config) error {
	logger := newLogger(a.stderr, c.Log)
	n := &node{config: c, logger: logger, heap: heapFloor(), engine: a.newEngine(c, logger)}
	if err := n.open(ctx); err != nil {
		return n.close(err)
	}
	if err := n.openAccess(ctx, a.stderr); err != nil {
		return n.close(err)
	}
	n.banner()
	err := n.run(ctx)
	return n.close(err)
}

// newEngine chooses the parts.
func (a *app) newEngine(c *config.Config, logger *slog.Logger) engine {
	if c.Clustered() {
		return newCluster(c, logger)
	}
	return a.newEmbedded(c, logger)
}

// open builds the parts. What was opened is closed by close, also after an error.
func (n *node) open(ctx context.Context) (err error) {
	c := n.config
	// Addresses first: they are what most often goes wrong, and cost nothing to give back.
	if n.listener, err = listen("http", c.HTTPAddress()); err != nil {
		return err
	}
	if err = n.openCerts(); err != nil {
		return err
	}
	if n.seata, err = listenSeata(c, n.seataTLS(), n.logger); err != nil {
		return err
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		n.logger.Warn("addresses of this machine are unknown", "err", err)
	}
	n.advertise = advertised(c.Advertise, n.seata.Addr(), interfaces)
	o := orchestrator.Options{
		Transport: n.seata, Rules: c.Rules(), Limits: c.Runtime(), Advertise: n.advertise, Logger: n.logger,
	}
	if err = n.openTelemetry(ctx, &o); err != nil {
		return err
	}
	if err = n.engine.open(ctx, n, &o); err != nil {
		return err
	}
	n.openCatalog(&o)
	if n.coordinator, err = orchestrator.New(ctx, o); err != nil {
		return fmt.Errorf("start the coordinator: %w", err)
	}
	n.engine.bind(n.coordinator)
	n.callback.Bind(n.coordinator.Reply)
	n.tasks.Bind(n.coordinator)
	n.seata.Bind(n.coordinator)
	return nil
}

// listenSeata binds the address for Seata clients.
func listenSeata(c *config.Config, secure *tls.Config, logger *slog.Logger) (*tc.Server, error) {
	o := seataOptions(c, logger)
	o.TLS = secure
	server, err := tc.Listen(o)
	if err == nil {
		return server, nil
	}
	// What went wrong is known best by trying it ourselves.
	probe, why := listen("tc", c.TC)
	if why != nil {
		return nil, why
	}
	_ = probe.Close()
	return nil, fmt.Errorf("tc: %w", err)
}

// run runs the parts until ctx ends or one of them fails. Then Seata clients are let finish first, while everything
// that they need goes on, and the rest ends after them.
func (n *node) run(ctx context.Context) error {
	defer n.sendTraces(ctx)()
	group, ctx := errgroup.WithContext(ctx)
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRest()
	serving, stopServing := context.WithCancel(rest)
	defer stopServing()
	group.Go(func() error {
		defer stopServing()
		<-ctx.Done()
		n.draining.Store(true)
		n.logger.Info("shutting down", "drain", n.config.Limits.Drain)
		n.engine.leave(rest)
		return nil
	})
	group.Go(func() error {
		defer stopRest()
		return n.seata.Run(serving)
	})
	group.Go(func() error { return n.coordinator.Run(rest) })
	group.Go(func() error { return n.engine.run(rest) })
	group.Go(func() error { return n.followCerts(rest) })
	group.Go(func() error { return n.callback.Run(rest) })
	group.Go(func() error { return n.tasks.Run(rest) })
	group.Go(func() error { return web.New(n.webOptions()).Run(rest, n.httpListener(), n.config.Limits.Drain) })
	if err := group.Wait(); err != nil {
		return err
	}
	n.logger.Info("stopped")
	return nil
}

// close gives everything back, in the reverse order of open, and returns err or else what went wrong here.
func (n *node) close(err error) error {
	keep := func(e error) {
		if err == nil {
			err = e
		}
	}
	if n.hangups != nil {
		signal.Stop(n.hangups)
	}
	if n.catalog != nil {
		n.catalog.Close() // it may be reading from the store
	}
	keep(n.engine.close())
	if n.seata != nil {
		keep(n.seata.Close())
	}
	if n.listener != nil {
		_ = n.listener.Close() // closed already if it was served
	}
	return err
}

// banner says that the server is there, and how.
func (n *node) banner() {
	v := buildVersion()
	n.logger.Info("concord is ready", append([]any{
		"version", v.Version, "go", v.Go, "seata", n.seata.Addr().String(), "http", n.listener.Addr().String(),
		"advertise", n.advertise, "console", n.consoleURL(),
	}, n.engine.describe()...)...)
	if n.config.Dev {
		n.logger.Warn("development mode: whoever reaches the http address can end transactions; it is on loopback only")
	} else if n.certs == nil && !loopback(n.listener.Addr()) && !n.config.Access.BehindTLS() {
		n.logger.Warn("keys are sent in the clear to the http address; set tls.cert and tls.key, or put TLS before it")
	}
	if n.config.Auth.Mode == "off" && !loopback(n.seata.Addr()) {
		n.logger.Warn("every client that reaches the seata address is accepted; set auth.mode and auth.keys to change that")
	}
}

// consoleURL is where a browser on this machine, or as access.publicURL says, finds the console.
func (n *node) consoleURL() string {
	if n.config.Access.PublicURL != "" {
		return n.config.Access.PublicURL
	}
	scheme, host := "http", n.listener.Addr().String()
	if n.certs != nil {
		scheme = "https"
	}
	if at, err := netip.ParseAddrPort(host); err == nil && at.Addr().IsUnspecified() {
		host = net.JoinHostPort("localhost", strconv.Itoa(int(at.Port())))
	}
	return scheme + "://" + host
}

func loopback(a net.Addr) bool {
	address, err := netip.ParseAddrPort(a.String())
	return err == nil && address.Addr().IsLoopback()
}

// playgroundSeata is where sample applications connect, "" if they could not.
func (n *node) playgroundSeata() string {
	if n.config.Auth.Mode == "enforce" {
		return ""
	}
	address, err := netip.ParseAddrPort(n.seata.Addr().String())
	if err != nil {
		return ""
	}
	if address.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), address.Port()).String()
	}
	return address.String()
}

// ready says why new work is not welcome.
func (n *node) ready() []web.Reason {
	var reasons []web.Reason
	if n.draining.Load() {
		reasons = append(reasons, web.Reason{Code: "draining", Sentence: "The server is shutting down."})
	}
	return append(reasons, n.engine.ready()...)
}

func seataOptions(c *config.Config, logger *slog.Logger) tc.Options {
	limits := tc.DefaultLimits()
	limits.SessionsMax = c.Session.Max
	limits.RequestsMax = c.Session.RequestsMax
	limits.UnsentBytesMax = int(c.Session.WriteBytesMax)
	limits.FrameBytesMax = int(c.Session.FrameBytesMax)
	limits.IdleLimit = c.Session.Idle
	limits.AnswerLimit = c.Retry.Answer
	limits.DrainLimit = max(c.Limits.Drain, time.Millisecond)
	limits.UndoLogEvery = c.Session.UndoLogDelete
	limits.UndoLogDays = int16(c.Session.UndoLogDays)
	if c.Session.UndoLogDelete == 0 {
		limits.UndoLogFirst = -1
	}
	modes := map[string]tc.AuthMode{"off": tc.AuthOff, "log": tc.AuthLog, "enforce": tc.AuthEnforce}
	keys := map[string]string{}
	for _, key := range c.Auth.Keys {
		access, secret, _ := strings.Cut(key, ":")
		keys[access] = secret
	}
	return tc.Options{Address: c.TC, Auth: modes[c.Auth.Mode], Keys: keys, Limits: limits, Logger: logger}
}

func (n *node) webOptions() web.Options {
	o := web.Options{
		Coordinator: n.coordinator, Version: buildVersion(), Dev: n.config.Dev, Prefix: n.advertise, Ready: n.ready,
		ConsoleDir: n.config.ConsoleDir,
		Degraded:   n.engine.degraded, Collectors: n.collectors(), Latency: n.latency,
		Sessions: n.sessions, Samples: n.samples, HeaderTimeout: n.config.Web.HeaderTimeout,
		IdleTimeout: n.config.Web.IdleTimeout, BodyBytesMax: int64(n.config.Web.BodyBytesMax), Logger: n.logger,
		CheckURL: n.callback.Check, Sagas: n.catalog, Tasks: n.tasks, Retention: n.config.Store.Retention,
	}
	if n.config.Dev && n.certs == nil {
		o.Playground = &playground.Options{
			Base: "http://" + n.listener.Addr().String(), Seata: n.playgroundSeata(), Logger: n.logger,
		}
	}
	n.engine.web(&o)
	n.webViews(&o)
	n.webAccess(&o)
	n.webTraces(&o)
	return o
}
