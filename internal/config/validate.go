package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tombstoneLeast is how long the outcome of an ended transaction must stay known, for clients that ask again.
const tombstoneLeast = 10 * time.Minute

// checker gathers mistakes; each names the key to change.
type checker struct {
	origin map[string]string
	errs   []error
}

func (c *checker) failIf(bad bool, key, format string, args ...any) {
	if bad {
		if from := c.origin[key]; from != "" && from != "default" {
			key += " (" + from + ")"
		}
		c.errs = append(c.errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
}

// check returns everything that is wrong with the values.
func (l *Loaded) check() []error {
	c := &checker{origin: l.Origin}
	c.failIf(l.Data == "", "data", "name a directory")
	c.address("tc", l.TC)
	c.address("http", l.HTTP)
	c.failIf(l.Dev && !l.loopbackHTTP(), "http", "with dev the API is open without keys, so %q must be a loopback "+
		"address such as 127.0.0.1:8088; or start without --dev", l.HTTP)
	c.failIf(l.ConsoleDir != "" && !l.Dev, "consoleDir", "another console is served with dev alone")
	c.failIf(l.TC == l.HTTP && !strings.HasSuffix(l.TC, ":0"), "http", "%s is the address of tc; they need one each",
		l.HTTP)
	c.advertise(l.Advertise)
	c.oneOf("log.level", l.Log.Level, "debug", "info", "warn", "error")
	c.oneOf("log.format", l.Log.Format, "auto", "text", "json")
	c.oneOf("auth.mode", l.Auth.Mode, "off", "log", "enforce")
	c.failIf(l.Auth.Mode != "off" && len(l.Auth.Keys) == 0, "auth.keys", "auth.mode is %s, so name at least one key",
		l.Auth.Mode)
	for i, key := range l.Auth.Keys {
		access, secret, found := strings.Cut(key, ":")
		c.failIf(!found || access == "" || secret == "", "auth.keys", "entry %d is not accessKey:secretKey", i+1)
	}
	c.cluster(&l.Config)
	c.trace(&l.Trace)
	c.callback(&l.Config)
	c.access(&l.Config)
	c.tls(&l.TLS)
	c.limits(&l.Limits)
	c.retry(&l.Retry)
	c.saga(&l.Saga)
	c.rest(&l.Config)
	return c.errs
}

// loopbackHTTP reports whether the HTTP address is a loopback one, or names no host, so that dev may choose.
func (l *Loaded) loopbackHTTP() bool {
	host, _, _ := net.SplitHostPort(l.HTTP)
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// HTTPAddress returns the address to bind: with dev and no host, the loopback.
func (c *Config) HTTPAddress() string {
	if host, port, err := net.SplitHostPort(c.HTTP); err == nil && host == "" && c.Dev {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return c.HTTP
}

// advertiseBytesMax leaves room for the number: Seata's tables keep an xid in 128 characters.
const advertiseBytesMax = 128 - len(":9223372036854775807")

func (c *checker) advertise(value string) {
	host, port, err := net.SplitHostPort(value)
	if value == "" {
		return
	}
	if c.address("advertise", value); err != nil {
		return
	}
	addr, err := netip.ParseAddr(host)
	c.failIf(host == "" || port == "0" || (err == nil && addr.IsUnspecified()), "advertise",
		"%q is no address that a client can connect to; name a host and the port that it reaches", value)
	c.failIf(len(value) > advertiseBytesMax, "advertise", "it is longer than %d bytes, so that an xid would not fit into "+
		"the 128 characters that Seata's tables keep of it", advertiseBytesMax)
	c.failIf(strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' || r == ';' }),
		"advertise", "%q has characters that no address has", value)
}

func (c *checker) address(key, value string) {
	_, port, err := net.SplitHostPort(value)
	c.failIf(err != nil, key, "%q is not HOST:PORT, as in 10.0.0.5:8091 or :8091", value)
	if err != nil {
		return
	}
	n, err := strconv.Atoi(port)
	c.failIf(err != nil || n < 0 || n > 65535, key, "port %q is not a number from 0 to 65535", port)
}

func (c *checker) oneOf(key, value string, allowed ...string) {
	c.failIf(!slices.Contains(allowed, value), key, "%q is none of %s", value, strings.Join(allowed, ", "))
}

func between[T ~int | ~int64](c *checker, key string, value, least, most T) {
	c.failIf(value < least || value > most, key, "%v is not between %v and %v", value, least, most)
}

func (c *checker) limits(l *Limits) {
	between(c, "limits.liveMax", l.LiveMax, 1, 100_000_000)
	between(c, "limits.cachedMax", l.CachedMax, 1, 100_000_000)
	between(c, "limits.branchesMax", l.BranchesMax, 1, 1_000_000)
	between(c, "limits.lockKeyBytesMax", l.LockKeyBytesMax, KiB, 64*MiB)
	between(c, "limits.lockRowsMax", l.LockRowsMax, 1, 10_000_000)
	between(c, "limits.dataBytesMax", l.DataBytesMax, KiB, 64*MiB)
	between(c, "limits.lockWait", l.LockWait, 0, 15*time.Second)
	between(c, "limits.lockWaitersMax", l.LockWaitersMax, 0, 10_000_000)
	between(c, "limits.endWait", l.EndWait, 0, 25*time.Second)
	between(c, "limits.timeoutMax", l.TimeoutMax, time.Second, 30*24*time.Hour)
	between(c, "limits.sweep", l.Sweep, 10*time.Millisecond, 10*time.Second)
	between(c, "limits.drain", l.Drain, 0, 10*time.Minute)
}

func (c *checker) saga(s *Saga) {
	between(c, "saga.deadline", s.Deadline, time.Second, 366*24*time.Hour)
}

func (c *checker) retry(r *Retry) {
	between(c, "retry.first", r.First, 10*time.Millisecond, time.Hour)
	between(c, "retry.max", r.Max, r.First, 24*time.Hour)
	between(c, "retry.unreachable", r.Unreachable, 10*time.Millisecond, time.Hour)
	between(c, "retry.attempts", r.Attempts, 0, 1_000_000)
	between(c, "retry.slowDelay", r.SlowDelay, r.First, 7*24*time.Hour)
	between(c, "retry.answer", r.Answer, 100*time.Millisecond, time.Hour)
	between(c, "retry.report", r.Report, 100*time.Millisecond, 30*24*time.Hour)
	between(c, "retry.reports", r.Reports, 0, 1_000_000)
	between(c, "retry.grace", r.Grace, 100*time.Millisecond, time.Hour)
	between(c, "retry.xaNotFound", r.XANotFound, time.Second, 24*time.Hour)
}

func (c *checker) rest(f *Config) {
	between(c, "store.retention", f.Store.Retention, tombstoneLeast, 3650*24*time.Hour)
	between(c, "store.diskReserve", f.Store.DiskReserve, 0, 1<<20*GiB)
	between(c, "store.cache", f.Store.Cache, MiB, 1<<10*GiB)
	between(c, "session.max", f.Session.Max, 1, 1_000_000)
	between(c, "session.idle", f.Session.Idle, time.Second, time.Hour)
	between(c, "session.frameBytesMax", f.Session.FrameBytesMax, 64*KiB, 8*MiB)
	between(c, "session.requestsMax", f.Session.RequestsMax, 1, 1_000_000)
	between(c, "session.writeBytesMax", f.Session.WriteBytesMax, 64*KiB, GiB)
	between(c, "session.undoLogDelete", f.Session.UndoLogDelete, 0, 3650*24*time.Hour)
	between(c, "session.undoLogDays", f.Session.UndoLogDays, 1, 3650)
	between(c, "web.headerTimeout", f.Web.HeaderTimeout, 100*time.Millisecond, time.Minute)
	between(c, "web.idleTimeout", f.Web.IdleTimeout, time.Second, time.Hour)
	between(c, "web.bodyBytesMax", f.Web.BodyBytesMax, KiB, 64*MiB)
}
