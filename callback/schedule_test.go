package callback

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// The tests of this file run in the time of synctest, with participants that are functions.

// fake is what a participant does: it says how an attempt ends, and may take its time.
type fake func(ctx context.Context, c *call) outcome

func ok(context.Context, *call) outcome { return outcome{result: txn.ResultDone, health: alive} }

func broken(context.Context, *call) outcome {
	return outcome{result: txn.ResultFailed, text: "HTTP 500", health: alive}
}

func refusing(context.Context, *call) outcome {
	return outcome{result: txn.ResultUnreachable, text: "connection refused", health: dead}
}

// hung does not answer.
func hung(_ context.Context, c *call) outcome {
	<-time.After(c.timeout)
	return outcome{result: txn.ResultNoAnswer, text: "no answer in time", health: dead}
}

// taking answers after a time.
func taking(d time.Duration) fake {
	return func(context.Context, *call) outcome {
		<-time.After(d)
		return outcome{result: txn.ResultDone, health: alive}
	}
}

// simulated starts a transport with participants by host.
func simulated(t *testing.T, l Limits, hosts map[string]fake) *fixture {
	t.Helper()
	f := setup(t, func(o *Options) { o.Allow, o.Insecure, o.Limits = []string{"*"}, true, l })
	f.exchange = func(ctx context.Context, _ *worker, c *call, _ string) outcome { return hosts[c.endpoint.host](ctx, c) }
	return f
}

// call sends a command to a host: the attempt-th one at branch id.
func (f *fixture) call(t *testing.T, host string, id int, attempt uint32) {
	t.Helper()
	cmd := command("http://" + host + "/")
	cmd.BranchID, cmd.Attempt = int64(id), attempt
	if err := f.Send(cmd); err != nil {
		t.Fatal(err)
	}
}

// state returns what is known of a host.
func (f *fixture) state(host string) TargetState {
	targets := f.Targets()
	i := slices.IndexFunc(targets, func(s TargetState) bool { return strings.Contains(s.Origin, "//"+host+":") })
	if i < 0 {
		return TargetState{}
	}
	return targets[i]
}

// p99 of calls to a healthy host that come at a steady pace while something else is going on.
func p99(t *testing.T, f *fixture) time.Duration {
	const calls = 2000
	begun := make(map[int64]time.Time, calls)
	var took []time.Duration
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for i := 0; len(took) < calls; {
		select {
		case <-ticker.C:
			if i < calls {
				i++
				begun[int64(i)] = time.Now()
				f.call(t, "healthy", i, 1)
			}
		case r := <-f.reports:
			if at, healthy := begun[r.r.BranchID]; healthy {
				if r.r.Result != txn.ResultDone {
					t.Errorf("healthy: %+v", r.r)
				}
				took = append(took, time.Since(at))
			}
		}
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

func TestTenThousandStuckCallsAreInNobodysWay(t *testing.T) {
	t.Parallel()
	for name, dead := range map[string]fake{"hung": hung, "refusing": refusing, "slow": taking(9 * time.Second)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			measure := func(stuck int) (p time.Duration) {
				synctest.Test(t, func(t *testing.T) {
					f := simulated(t, Limits{}, map[string]fake{"dead": dead, "healthy": taking(5 * time.Millisecond)})
					for i := range stuck {
						f.call(t, "dead", 1_000_000+i, 1)
					}
					p = p99(t, f)
					f.stop()
				})
				return p
			}
			alone, beside := measure(0), measure(10_000)
			if beside > alone+alone/10 {
				t.Errorf("p99 is %v beside 10,000 stuck calls, %v without them", beside, alone)
			}
		})
	}
}

func TestACallThatWaitsCostsNoGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := simulated(t, Limits{PerTarget: 7, InFlight: 10}, map[string]fake{"a": hung, "b": hung, "c": hung})
		for i := range 1000 {
			f.call(t, []string{"a", "b", "c"}[i%3], i, 1)
		}
		synctest.Wait()
		f.mu.Lock()
		workers, running, queued := f.workers, f.running, f.queued
		f.mu.Unlock()
		if workers != 10 || running != 10 || queued != 990 {
			t.Errorf("%d goroutines make %d calls, and %d wait", workers, running, queued)
		}
		f.stop()
		if len(f.reports) != 1000 {
			t.Errorf("%d reports", len(f.reports))
		}
	})
}

func TestTargetsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		step := func(_ context.Context, c *call) outcome {
			<-time.After(time.Second / 100)
			order = append(order, c.endpoint.host) // one at a time
			return outcome{result: txn.ResultDone, health: alive}
		}
		f := simulated(t, Limits{InFlight: 1}, map[string]fake{"many": step, "few": step})
		for i := range 100 {
			f.call(t, "many", i, 1)
		}
		for i := range 3 {
			f.call(t, "few", 200+i, 1)
		}
		for range 103 {
			<-f.reports
		}
		if got := strings.Join(order[:7], " "); got != "many many few many few many few" {
			t.Errorf("in turn: %s", got)
		}
	})
}

func TestACallThatWaitedTooLongDoesNotBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := 0
		f := simulated(t, Limits{PerTarget: 1}, map[string]fake{"slow": func(ctx context.Context, c *call) outcome {
			begun++
			return taking(4*time.Second)(ctx, c)
		}})
		start := time.Now()
		for i := range 20 {
			f.call(t, "slow", i, 1) // 15 s, of which the call may take 10
		}
		results := map[txn.Result]int{}
		for range 20 {
			r := (<-f.reports).r
			results[r.Result]++
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("branch %d is reported after %v, which is too late to matter", r.BranchID, took)
			}
			if r.Result == txn.ResultUnreachable && (r.After < time.Second || !strings.Contains(r.Text, "too long")) {
				t.Errorf("%+v", r)
			}
		}
		// At 0 s and 4 s; the third would begin at 8 s, with 7 s left for up to 10.
		if begun != 2 || results[txn.ResultDone] != 2 || results[txn.ResultUnreachable] != 18 {
			t.Errorf("%d have begun: %v", begun, results)
		}
		if n := f.Numbers(); n.Late != 18 || n.Queued != 0 {
			t.Errorf("%+v", n)
		}
		cmd := command("http://slow/")
		cmd.Until = txn.MillisOf(time.Now().Add(-time.Second))
		if r := f.ask(t, cmd); r.Result != txn.ResultUnreachable || begun != 2 {
			t.Errorf("after its time: %+v", r)
		}
	})
}

func TestACallThatIsLateWhenItsTurnComesDoesNotBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := 0
		f := simulated(t, Limits{PerTarget: 1}, map[string]fake{"slow": func(ctx context.Context, c *call) outcome {
			begun++
			return taking(5*time.Second+tick/2)(ctx, c) // between two looks at those that wait
		}})
		f.call(t, "slow", 1, 1)
		f.call(t, "slow", 2, 1) // has to begin within 5 s
		if r := (<-f.reports).r; r.BranchID != 1 || r.Result != txn.ResultDone {
			t.Errorf("%+v", r)
		}
		if r := (<-f.reports).r; r.BranchID != 2 || r.Result != txn.ResultUnreachable || begun != 1 {
			t.Errorf("%+v, %d have begun", r, begun)
		}
		if s := f.state("slow"); s.Calls != 1 || s.Failed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAQueueHasABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := simulated(t, Limits{PerTarget: 1, Queued: 5, QueuedBytes: 10_000}, map[string]fake{"a": hung, "b": hung})
		for i := range 7 {
			f.call(t, "a", i, 1)
		}
		if r := (<-f.reports).r; r.BranchID != 6 || r.Result != txn.ResultUnreachable || r.After < time.Second {
			t.Errorf("%+v", r)
		}
		f.call(t, "b", 10, 1)
		big := command("http://b/")
		big.Data = strings.Repeat("x", 9000)
		if r := f.ask(t, big); r.Result != txn.ResultUnreachable {
			t.Errorf("data without room: %+v", r)
		}
		if n := f.Numbers(); n.Full != 2 || n.Queued != 5 || n.InFlight != 2 {
			t.Errorf("%+v", n)
		}
	})
}

func TestACircuitOpensProbesAndCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now fake = refusing
		calls := 0
		f := simulated(t, Limits{Failures: 3}, map[string]fake{"a": func(ctx context.Context, c *call) outcome {
			calls++
			return now(ctx, c)
		}})
		for i := range 3 {
			f.call(t, "a", i, 1)
			<-f.reports
		}
		if s := f.state("a"); s.State != CircuitOpen || s.LastError != "connection refused" || !s.Probe.After(time.Now()) {
			t.Fatalf("after three failures: %+v", s)
		}
		f.call(t, "a", 4, 1)
		if r := (<-f.reports).r; r.Result != txn.ResultUnreachable || r.After < time.Second || calls != 3 {
			t.Fatalf("while it is open: %+v, %d calls", r, calls)
		}
		waited := time.Duration(0)
		for range 8 { // each probe fails; the next one comes later
			wait := time.Until(f.state("a").Probe)
			if wait < waited && wait < backoffMax {
				t.Errorf("%v after %v", wait, waited)
			}
			waited = wait
			<-time.After(wait + time.Millisecond)
			before := calls
			now = hung
			f.call(t, "a", 5, 1)
			synctest.Wait()
			if s := f.state("a"); s.State != CircuitHalfOpen {
				t.Fatalf("%+v", s)
			}
			f.call(t, "a", 6, 1)
			if r := (<-f.reports).r; r.BranchID != 6 || r.Result != txn.ResultUnreachable || calls != before+1 {
				t.Fatalf("beside the probe: %+v", r)
			}
			<-f.reports
		}
		if waited < backoffMax || waited > backoffMax+backoffMax/4 {
			t.Errorf("in the end it is probed every %v", waited)
		}
		<-time.After(time.Minute)
		now = ok
		f.call(t, "a", 7, 1)
		if r := (<-f.reports).r; r.Result != txn.ResultDone {
			t.Errorf("%+v", r)
		}
		if s := f.state("a"); s.State != CircuitClosed || !s.Probe.IsZero() {
			t.Errorf("after its recovery: %+v", s)
		}
	})
}

func TestWhatWaitsForADeadTargetEndsAtOnceAndComesBackSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := simulated(t, Limits{PerTarget: 8, Failures: 5}, map[string]fake{"a": func(context.Context, *call) outcome {
			<-time.After(time.Second)
			return refusing(nil, nil)
		}})
		for i := range 10_000 {
			f.call(t, "a", i, 1)
		}
		<-time.After(3 * time.Second)
		if len(f.reports) != 10_000 {
			t.Fatalf("%d have ended", len(f.reports))
		}
		var after []time.Duration
		for range 10_000 {
			if r := (<-f.reports).r; r.After > 0 {
				after = append(after, r.After)
			}
		}
		slices.Sort(after)
		if n := len(after); n < 9900 || after[n/2] < 5*time.Second || after[n-1] > 40*time.Second {
			t.Errorf("%d are told to wait, half of them %v, at most %v", n, after[n/2], after[n-1])
		}
	})
}

func TestFailuresOfTheParticipantOpenNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f := simulated(t, Limits{Failures: 2}, map[string]fake{
			"broken": broken,
			"shaky": func(ctx context.Context, c *call) outcome {
				if n++; n%2 == 0 {
					return ok(ctx, c)
				}
				return refusing(ctx, c)
			},
		})
		for i := range 50 {
			for _, host := range []string{"broken", "shaky"} {
				f.call(t, host, i, 1)
				<-f.reports
			}
		}
		for _, host := range []string{"broken", "shaky"} {
			if s := f.state(host); s.State != CircuitClosed || s.Calls != 50 {
				t.Errorf("%s: %+v", host, s)
			}
		}
	})
}

func TestRepeatedFailuresHaveABudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := Limits{RetryPercent: 10, RetryRate: 5}
		f := simulated(t, l, map[string]fake{"broken": broken, "busy": func(context.Context, *call) outcome {
			return outcome{result: txn.ResultOngoing, health: alive}
		}, "fine": ok})
		made := func(host string, attempt uint32, n int) (begun int) {
			for i := range n {
				f.call(t, host, i, attempt)
				r := (<-f.reports).r
				if strings.Contains(r.Text, "too many attempts") {
					if r.Result != txn.ResultUnreachable || r.After < time.Second/2 || r.After > time.Minute {
						t.Errorf("%+v", r)
					}
				} else {
					begun++
				}
			}
			return begun
		}
		d := Limits{RetryRate: 5}.withDefaults()
		if n := made("broken", 2, 1000); n != d.retryBurst() {
			t.Errorf("%d repeated attempts in a burst, want %d", n, d.retryBurst())
		}
		<-time.After(10 * time.Second)
		if n := made("broken", 2, 1000); n < 49 || n > 51 {
			t.Errorf("%d more after 10 s", n)
		}
		if n := made("broken", 1, 500); n != 500 {
			t.Errorf("%d first attempts", n)
		}
		if n := made("broken", 2, 1000); n < 49 || n > 51 {
			t.Errorf("%d repeated attempts for 500 first ones", n)
		}
		if n := made("fine", 2, 1000); n != 1000 {
			t.Errorf("%d of 1000 attempts that succeed", n)
		}
		if n := made("busy", 2, 1000); n != 1000 {
			t.Errorf("%d of 1000 attempts that only ask again", n)
		}
	})
}

func TestWhatIsNotUsedIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hosts := map[string]fake{}
		for i := range 50 {
			hosts[fmt.Sprintf("host-%d", i)] = taking(time.Second)
		}
		f := simulated(t, Limits{Targets: 50}, hosts)
		for host := range hosts {
			f.call(t, host, 1, 1)
		}
		r := f.ask(t, command("http://one-more/"))
		if r.Result != txn.ResultUnreachable || !strings.Contains(r.Text, "targets") {
			t.Errorf("beyond the bound: %+v", r)
		}
		for range 50 {
			<-f.reports
		}
		<-time.After(time.Minute)
		f.mu.Lock()
		workers := f.workers
		f.mu.Unlock()
		if n := f.Numbers(); workers != 0 || n.Targets != 50 {
			t.Errorf("%d goroutines and %d targets after a minute", workers, n.Targets)
		}
		<-time.After(targetIdleMax + time.Minute)
		if n := f.Numbers(); n.Targets != 0 {
			t.Errorf("%d targets are remembered", n.Targets)
		}
		f.call(t, "host-1", 1, 1)
		if r := (<-f.reports).r; r.Result != txn.ResultDone {
			t.Errorf("after all that: %+v", r)
		}
	})
}
