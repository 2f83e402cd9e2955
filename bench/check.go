package main

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// tallyFaults says what the driver itself saw go wrong.
func tallyFaults(t tally, left int64) []string {
	var faults []string
	found := func(n int64, what string) {
		if n != 0 {
			faults = append(faults, fmt.Sprintf("%d %s", n, what))
		}
	}
	found(left, "transactions did not end in time")
	if left != 0 {
		found(t.Strange, "commands were for branches that no client knows")
		found(t.Answered-t.Finished, "of those are answered and wait for commands of phase two")
	}
	found(t.WrongAnswers, "end requests were answered with another outcome")
	found(t.Retrying, "end requests were answered with retrying")
	found(t.WrongCommands, "branches were told the wrong outcome")
	found(t.Refused, "requests were refused")
	if t.Begun == 0 {
		faults = append(faults, "nothing was begun")
	}
	if t.ErrorText != "" {
		faults = append(faults, "first refusal: "+t.ErrorText)
	}
	return faults
}

// scrape returns the server's metrics, or nil if it has none.
func (b *bench) scrape(ctx context.Context) metrics {
	if b.server == nil || b.server.http == "" {
		return nil
	}
	var all metrics
	for _, n := range b.server.nodes() {
		m, err := scrape(ctx, n.http)
		if err != nil {
			return nil
		}
		all = all.plus(m)
	}
	return all
}

// settleWait bounds how long the last endings, which the server writes lazily, may take, and its next count of what is
// live, which it makes every ten seconds.
const settleWait = 20 * time.Second

// checkEnd asks the server whether everything ended as asked.
func (b *bench) checkEnd(ctx context.Context, c cell, before metrics, t tally) []string {
	var faults []string
	if b.fleet.services != nil {
		faults = b.fleet.services.check()
	} else {
		faults = b.checkStatuses()
	}
	if before == nil {
		return faults
	}
	wrong := b.metricFaults(ctx, c, before, t)
	for until := time.Now().Add(settleWait); len(wrong) > 0 && time.Now().Before(until) && ctx.Err() == nil; {
		time.Sleep(50 * time.Millisecond)
		wrong = b.metricFaults(ctx, c, before, t)
	}
	if consumer := b.server.consumer; consumer != nil {
		for until := time.Now().Add(settleWait); consumer.distinct() < t.Commits && time.Now().Before(until); {
			time.Sleep(50 * time.Millisecond)
		}
		if n := consumer.distinct(); n != t.Commits {
			faults = append(faults, fmt.Sprintf("consumer has read of %d commits instead of %d", n, t.Commits))
		}
	}
	return append(faults, wrong...)
}

// metricFaults compares the server's numbers with what the driver did.
func (b *bench) metricFaults(ctx context.Context, c cell, before metrics, t tally) []string {
	after := b.scrape(ctx)
	if after == nil {
		return []string{"metrics could not be read"}
	}
	var faults []string
	equal := func(what string, got, want float64) {
		if got != want {
			faults = append(faults, fmt.Sprintf("%s is %.0f instead of %.0f", what, got, want))
		}
	}
	grown := func(name string) float64 { return after[name] - before[name] }
	held := float64(c.held)
	if c.w.hold {
		held += float64(t.Held)
	}
	equal("tx_live", after["tx_live"], held)
	if c.w.kind == seata.BranchAT && !c.w.hold && c.held == 0 {
		equal("tx_locks", after["tx_locks"], 0)
	}
	equal("tx_lock_waiters", after["tx_lock_waiters"], 0)
	equal("growth of tx_begun_total", grown("tx_begun_total"), float64(t.Begun))
	const commits, rollbacks = `tx_ended_total{outcome="commit"}`, `tx_ended_total{outcome="rollback"}`
	equal("growth of "+rollbacks, grown(rollbacks), float64(t.Rollbacks))
	equal("growth of "+commits, grown(commits), float64(t.Commits))
	equal("tx_panics_total", after["tx_panics_total"], 0)
	equal("tx_store_errors_total", after["tx_store_errors_total"], 0)
	return faults
}

// statusBatch is how many status requests are under way at once.
const statusBatch = 256

// checkStatuses asks for the status of the sampled transactions over the protocol.
func (b *bench) checkStatuses() []string {
	l, err := dial(b.server.tc)
	if err != nil {
		return []string{"check statuses: " + err.Error()}
	}
	defer func() { _ = l.conn.Close() }() // only read from
	if _, err := l.ask(request(0), &seata.RegisterTMRequest{
		Version: clientVersionText, ApplicationID: "bench-check", TransactionServiceGroup: "bench_group",
	}); err != nil {
		return []string{"check statuses: " + err.Error()}
	}
	wrong, first := 0, ""
	for _, c := range b.fleet.clients {
		for rest := c.ended.kept; len(rest) > 0; {
			batch := rest[:min(statusBatch, len(rest))]
			rest = rest[len(batch):]
			statuses, err := askStatuses(l, batch)
			if err != nil {
				return []string{"check statuses: " + err.Error()}
			}
			for i, e := range batch {
				if !b.endedAs(e, statuses[i]) {
					wrong++
					first = e.xid + " is " + statuses[i].String()
				}
			}
		}
	}
	if wrong > 0 {
		return []string{fmt.Sprintf("%d transactions have the wrong status, such as %s", wrong, first)}
	}
	return nil
}

// endedAs compares; a server without tombstones may answer that it is finished with the transaction.
func (b *bench) endedAs(e ending, status seata.GlobalStatus) bool {
	if status == seata.GlobalFinished && b.server.forgets {
		return true
	}
	if e.rollback {
		return status == seata.GlobalRollbacked
	}
	return status == seata.GlobalCommitted
}

// askStatuses returns the statuses in the order of the batch.
func askStatuses(l *link, batch []ending) ([]seata.GlobalStatus, error) {
	for i, e := range batch {
		l.put(request(int32(i)), &seata.GlobalStatusRequest{XID: e.xid})
	}
	if err := l.flush(); err != nil {
		return nil, err
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(httpWait)); err != nil {
		return nil, err
	}
	statuses := make([]seata.GlobalStatus, len(batch))
	for got := 0; got < len(batch); {
		frame, ok, err := l.next(seata.DecodeOptions{Version: clientVersion()})
		if err != nil {
			return nil, err
		}
		if !ok {
			if err := l.fill(); err != nil {
				return nil, err
			}
			continue
		}
		m, isStatus := frame.Message.(*seata.GlobalStatusResponse)
		if id := int(frame.Header.ID); isStatus && id < len(batch) {
			statuses[id] = m.Status
			got++
		}
	}
	return statuses, nil
}
