package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/concord-tx/concord/callback"
	"github.com/concord-tx/concord/internal/config"
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web"
)

// openCallback adds the transport for participants that are reached by HTTP to the routes. Any node can call them, so
// none is asked to do it for another. clock and valid are nil on one machine.
func (n *node) openCallback(routes orchestrator.Routes, clock orchestrator.Clock, valid func() bool) error {
	o, err := callbackOptions(n.config)
	if err != nil {
		return err
	}
	o.Clock, o.Valid, o.Logger = clock, valid, n.logger
	if n.callback, err = callback.New(o); err != nil {
		return err
	}
	for _, kind := range []txn.Kind{txn.HTTP, txn.HTTPTCC, txn.Check, txn.StepCall} {
		routes[kind] = n.callback
	}
	if len(o.Allow) > 0 && len(o.Secrets) == 0 {
		n.logger.Warn("calls to participants are not signed, so that anybody can make them; set callback.secrets")
	}
	return nil
}

func callbackOptions(c *config.Config) (callback.Options, error) {
	k := &c.Callback
	o := callback.Options{
		Allow: k.Allow, Loopback: c.Dev, Insecure: k.Insecure, Proxy: k.Proxy, Version: buildVersion().Version,
		Limits: callback.Limits{
			Timeout: k.Timeout, InFlight: k.InFlight, PerTarget: k.PerTarget, Queued: k.Queued, Failures: k.Failures,
			RetryPercent: k.RetryPercent, RetryRate: k.RetryRate, Drain: max(c.Limits.Drain, time.Millisecond),
		},
	}
	if k.Timeout >= c.Retry.Answer {
		o.Limits.Timeout = c.Retry.Answer * 2 / 3
	}
	for _, secret := range k.Secrets {
		o.Secrets = append(o.Secrets, []byte(secret))
	}
	if k.CA == "" {
		return o, nil
	}
	pem, err := os.ReadFile(k.CA)
	if err != nil {
		return o, fmt.Errorf("callback.ca: %w", err)
	}
	if o.Roots, err = x509.SystemCertPool(); err != nil {
		o.Roots = x509.NewCertPool()
	}
	if !o.Roots.AppendCertsFromPEM(pem) {
		return o, errors.New("callback.ca: " + k.CA + " has no certificate in PEM form")
	}
	return o, nil
}

// callbackSamples are the numbers of the calls to participants.
func (n *node) callbackSamples() []web.Sample {
	if n.callback == nil {
		return nil
	}
	c := n.callback.Numbers()
	busy := counter("tx_callback_seconds_total", "Time that calls to participants took, together.", 0)
	busy.Value = c.Busy.Seconds()
	samples := []web.Sample{
		busy,
		gauge("tx_callbacks_open", "Calls to participants under way.", c.InFlight),
		gauge("tx_callbacks_waiting", "Calls to participants that wait for their turn.", c.Queued),
		gauge("tx_callback_targets", "Targets of calls that are known.", c.Targets),
		gauge("tx_callback_targets_dead", "Targets of calls that do not answer and are left alone.", c.Dead),
		counter("tx_callback_targets_died_total", "Times that a target was found dead.", c.Opened),
		counter("tx_callback_dials_total", "Connections to participants that were tried.", c.Dials),
		counter("tx_callback_stale_total", "Connections that a participant had closed before they were used again.", c.Stale),
	}
	for r := txn.ResultDone; int(r) < len(c.Calls); r++ {
		if r != txn.ResultXANotFound && r != txn.ResultPublished {
			samples = append(samples, labelled("result", r.String(),
				counter("tx_callbacks_total", "Calls to participants that have ended.", c.Calls[r])))
		}
	}
	for _, refused := range []struct {
		why string
		n   int64
	}{{"dead", c.Open}, {"budget", c.OverBudget}, {"late", c.Late}, {"full", c.Full}, {"blocked", c.Blocked}} {
		samples = append(samples, labelled("reason", refused.why,
			counter("tx_callbacks_refused_total", "Commands for participants that ended without a call.", refused.n)))
	}
	return samples
}
