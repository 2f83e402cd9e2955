package main

import (
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/mq"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/tc/seata"
)

func TestScheduleHasTheRateAndIsRepeatable(t *testing.T) {
	t.Parallel()
	const rate, length = 5000.0, 10 * time.Second
	for _, kind := range []arrival{arrivalPoisson, arrivalConstant} {
		starts := schedule(kind, rate, length, 3)
		if n := float64(len(starts)); math.Abs(n-rate*length.Seconds()) > 5*math.Sqrt(rate*length.Seconds()) {
			t.Errorf("%s: %v starts", kind, n)
		}
		if !slices.IsSorted(starts) || starts[0] < 0 || starts[len(starts)-1] >= int64(length) {
			t.Errorf("%s: not in order or outside its time", kind)
		}
		if !slices.Equal(starts, schedule(kind, rate, length, 3)) {
			t.Errorf("%s: another schedule from the same seed", kind)
		}
	}
	if slices.Equal(schedule(arrivalPoisson, rate, length, 3), schedule(arrivalPoisson, rate, length, 4)) {
		t.Error("the seed does not matter")
	}
	if starts := schedule(arrivalPoisson, 0, length, 1); starts != nil {
		t.Errorf("%d starts at rate 0", len(starts))
	}
}

func TestPoissonGapsAreExponential(t *testing.T) {
	t.Parallel()
	starts := schedule(arrivalPoisson, 1000, 20*time.Second, 9)
	var sum, squares float64
	for i := 1; i < len(starts); i++ {
		gap := float64(starts[i]-starts[i-1]) / float64(time.Millisecond)
		sum += gap
		squares += gap * gap
	}
	n := float64(len(starts) - 1)
	mean := sum / n
	if deviation := math.Sqrt(squares/n - mean*mean); math.Abs(deviation/mean-1) > 0.05 {
		t.Errorf("mean %.3f, deviation %.3f: they are equal in a Poisson process", mean, deviation)
	}
}

func TestLatencyRecordsFromTo(t *testing.T) {
	t.Parallel()
	l := newLatency()
	for i := range int64(100) {
		l.record(1_000_000, 1_000_000+(i+1)*1_000_000)
	}
	l.record(0, int64(time.Hour)) // beyond the range: its border
	l.record(5, 3)                // a clock that goes back: the least
	q := l.quantiles()
	if q.Count != 102 || math.Abs(q.P50-50) > 1.1 || q.Max < 119_000 {
		t.Errorf("%+v", q)
	}
}

func TestParseStatSurvivesProgramNames(t *testing.T) {
	t.Parallel()
	const fields = " S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9"
	for _, name := range []string{"concord", "a b", "x) R 9 9 (y"} {
		got, err := parseStat([]byte("42 (" + name + ")" + fields))
		if err != nil || got != 2*time.Second {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "42 (x) S 1", "42 x S"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestParseMachineCPU(t *testing.T) {
	t.Parallel()
	got := parseMachineCPU([]byte("cpu  100 10 50 9000 40 5 5 30 0 0\ncpu0 1 1 1 1\n"))
	if got.busy != 1700*time.Millisecond || got.stolen != 300*time.Millisecond {
		t.Errorf("%+v", got)
	}
	if got := parseMachineCPU([]byte("nonsense")); got != (machineCPU{}) {
		t.Errorf("%+v", got)
	}
}

func TestParseField(t *testing.T) {
	t.Parallel()
	const status = "Name:\tconcord\nVmHWM:\t  99 kB\nVmRSS:\t  1234 kB\nThreads:\t9\n"
	if got := parseField([]byte(status), "VmRSS:"); got != 1234 {
		t.Errorf("%d", got)
	}
	if got := parseField([]byte(status), "VmSwap:"); got != 0 {
		t.Errorf("%d for a field that is missing", got)
	}
}

func TestParseMetrics(t *testing.T) {
	t.Parallel()
	m := parseMetrics("# HELP a b\n# TYPE a counter\na 3\nb{outcome=\"commit\"} 4 1700000000\n" +
		"b{outcome=\"a } b\"} 1e3\nbroken\nc NaN?\n")
	if m["a"] != 3 || m[`b{outcome="commit"}`] != 4 {
		t.Errorf("%v", m)
	}
	if sum, found := m.sum("b"); !found || sum != 1004 {
		t.Errorf("sum %v, %v", sum, found)
	}
	if _, found := m.sum("nobody"); found {
		t.Error("found what is not there")
	}
}

func TestParsePerf(t *testing.T) {
	t.Parallel()
	const out = "120,,syscalls:sys_enter_fdatasync,1000,100.00,,\n3,,syscalls:sys_enter_fsync,1000,100.00,,\n" +
		"<not counted>,,syscalls:sys_enter_sync,0,,\n99,,context-switches,1,,\n"
	if got := parsePerf(out); got != 123 {
		t.Errorf("%d", got)
	}
}

func TestSlopeOfBacklog(t *testing.T) {
	t.Parallel()
	var s slope
	if s.perUnit() != 0 {
		t.Error("no points, no slope")
	}
	for x := range 10 {
		s.add(float64(x), 5+3*float64(x))
	}
	if got := s.perUnit(); math.Abs(got-3) > 1e-9 {
		t.Errorf("%v", got)
	}
}

func TestSampleStaysBoundedAndEven(t *testing.T) {
	t.Parallel()
	var s sample
	const seen = 5 * sampleMax
	for i := range seen {
		s.add(ending{rollback: i%3 == 0})
	}
	if n := len(s.kept); n >= sampleMax || n < sampleMax/4 {
		t.Errorf("%d of %d kept", n, seen)
	}
}

func TestLockKeysAreDistinctUnlessHot(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for client := range 3 {
		c := newChooser(workload{kind: seata.BranchAT}, client, 3, 1)
		for range 1000 {
			seen[c.lockKey()] = true
		}
	}
	if len(seen) != 3000 {
		t.Errorf("%d different rows of 3000", len(seen))
	}
	hot, keys := newChooser(workload{kind: seata.BranchAT, keys: 4}, 0, 1, 1), map[string]bool{}
	for range 1000 {
		keys[hot.lockKey()] = true
	}
	if len(keys) != 4 {
		t.Errorf("%d different rows of 4", len(keys))
	}
	if key := newChooser(workload{kind: seata.BranchTCC}, 0, 1, 1).lockKey(); key != "" {
		t.Errorf("TCC locks %q", key)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-kind", "tcc", "-rate", "10", "-arrival", "constant", "-timeout", "5s"}, io.Discard)
	if err != nil || o.w.kind != seata.BranchTCC || o.arrival != arrivalConstant || o.w.timeout != 5000 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{
		{"-kind", "xa"}, {"-arrival", "burst"}, {"-clients", "0"}, {"-rollback", "101"}, {"-window", "0s"}, {"-nonsense"},
	} {
		if _, err := parseOptions(bad, io.Discard); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}

func TestConsumptionFindsTimesAndTransactions(t *testing.T) {
	t.Parallel()
	c := consumption{lat: newLatency(), seen: map[string]struct{}{}}
	c.reset(-time.Minute, time.Minute)
	event := func(id int64, at time.Time) []byte {
		g := &txn.Global{XID: txn.XID{Prefix: "tc:8091", ID: id}, Status: txn.Committing, DecidedAt: txn.MillisOf(at)}
		return mq.AppendDecision(nil, g)
	}
	now := time.Now()
	body := mq.AppendBatch(nil, event(1, now.Add(-3*time.Second)), event(2, now), event(2, now),
		event(3, now.Add(-time.Hour)))
	_, err := c.take(t.Context(), &primitive.MessageExt{Message: primitive.Message{Body: body}})
	lat, messages, events := c.result()
	if err != nil || messages != 1 || events != 3 || c.distinct() != 3 || lat.Max < 2_900 {
		t.Errorf("%v, %d messages, %d events, %d distinct, %+v", err, messages, events, c.distinct(), lat)
	}
}

func TestMetricsOfNodesAreAddedUpButSharedOnes(t *testing.T) {
	t.Parallel()
	sum := metrics(nil).plus(metrics{"a": 1, "tx_live": 4}).plus(metrics{"a": 2, "b": 3, "tx_live": 5})
	if sum["a"] != 3 || sum["b"] != 3 || sum["tx_live"] != 5 {
		t.Errorf("%v", sum)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	if m := median([]float64{9, 1, 5}); m != 5 {
		t.Errorf("%v", m)
	}
}
