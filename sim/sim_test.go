package sim

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-tx/concord/sim/check"
)

// The flags choose which seeds run.
var (
	seedsFlag = flag.Int("sim.seeds", 300, "how many seeds TestSeeds runs")
	startFlag = flag.Uint64("sim.start", 1, "the first of them")
	worldFlag = flag.String("sim.world", "", "which worlds: one, cluster, sagas, sagas-cluster, or all if it is empty")
	seedFlag  = flag.Uint64("sim.seed", 1, "the seed that TestSeed replays; its trace is shown for any but 1")
)

// workers is how many seeds run at once.
const workers = 2

// explain reports a run that failed: what is wrong, the last steps of the transaction that it is about, and how to see
// them all.
func explain(t *testing.T, cfg Config, violations []check.Violation) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d, world %s:\n", cfg.Seed, cfg.world())
	for _, v := range violations[:min(len(violations), 5)] {
		fmt.Fprintf(&text, "  %s\n", v)
		for _, c := range check.All() {
			if c.Name == v.Invariant {
				fmt.Fprintf(&text, "    (%s)\n", c.Text)
			}
		}
	}
	var trace bytes.Buffer
	cfg.Trace = &trace
	Run(cfg)
	about := fmt.Sprintf(" tx %-5d ", violations[0].ID)
	var steps []string
	for line := range strings.Lines(trace.String()) {
		told := func(word string) bool { return strings.Contains(line, word) }
		if told(about) || told("coordinator ") || told(" node ") || told("clock ") {
			steps = append(steps, line)
		}
	}
	text.WriteString(strings.Join(steps[max(0, len(steps)-40):], ""))
	fmt.Fprintf(&text, "replay: go test ./sim -run 'TestSeed$' -sim.world=%s -sim.seed=%d -v", cfg.world(), cfg.Seed)
	t.Error(text.String())
}

// world is the name of the kind of world for flags and files.
func (cfg *Config) world() string {
	name := "one"
	switch {
	case cfg.Sagas && cfg.Cluster:
		name = "sagas-cluster"
	case cfg.Sagas:
		name = "sagas"
	case cfg.Cluster:
		name = "cluster"
	}
	return name
}

// worlds lists the runs of a seed that the flags select: by default one machine, a cluster, and sagas on one of them.
func worlds(seed uint64) []Config {
	all := []Config{
		{Seed: seed}, {Seed: seed, Cluster: true}, {Seed: seed, Sagas: true}, {Seed: seed, Sagas: true, Cluster: true},
	}
	return slices.DeleteFunc(all, func(c Config) bool {
		if *worldFlag != "" {
			return c.world() != *worldFlag
		}
		return c.Sagas && c.Cluster != (seed%2 == 0) // by turns
	})
}

// TestSeed replays one seed with its trace.
func TestSeed(t *testing.T) {
	for _, cfg := range worlds(*seedFlag) {
		var trace bytes.Buffer
		cfg.Trace = &trace
		r := Run(cfg)
		if chosen := *seedFlag != 1; chosen || len(r.Violations) > 0 {
			t.Log("\n" + trace.String())
		}
		if len(r.Violations) > 0 {
			explain(t, cfg, r.Violations)
		}
	}
}

// progress tells from time to time how far a long run is.
type progress struct {
	mu          sync.Mutex
	began, last time.Time
}

func (p *progress) tell(seeds, failed int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.last) > 5*time.Second {
		p.last = now
		fmt.Printf("sim: %d seeds, %.0f seeds/s, %d failed\n", seeds, float64(seeds)/now.Sub(p.began).Seconds(), failed)
	}
}

// TestSeeds runs fresh seeds, the same ones every time.
func TestSeeds(t *testing.T) {
	t.Parallel()
	var next, failed, transactions, crashes, events atomic.Int64
	began := time.Now()
	report := progress{began: began, last: began}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(*seedsFlag) || failed.Load() >= 10 {
					return
				}
				seed := *startFlag + uint64(i)
				for _, cfg := range worlds(seed) {
					r := Run(cfg)
					transactions.Add(int64(r.Transactions))
					crashes.Add(int64(r.Crashes))
					events.Add(int64(r.Events))
					if len(r.Violations) > 0 {
						failed.Add(1)
						explain(t, cfg, r.Violations)
					}
				}
				report.tell(i+1, failed.Load())
			}
		})
	}
	group.Wait()
	t.Logf("%d seeds, %d transactions, %d crashes, %d events, %.0f seeds/s", *seedsFlag, transactions.Load(),
		crashes.Load(), events.Load(), float64(*seedsFlag)/time.Since(began).Seconds())
}

// TestFoundSeeds runs the seeds that have found something.
func TestFoundSeeds(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		number, sagas := strings.CutPrefix(text, "sagas ")
		number, cluster := strings.CutPrefix(number, "cluster ")
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatalf("seeds.txt: %v", err)
		}
		cfg := Config{Seed: seed, Cluster: cluster, Sagas: sagas}
		if r := Run(cfg); len(r.Violations) > 0 {
			explain(t, cfg, r.Violations)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestSameSeedGivesTheSameTrace(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 120; seed++ {
		var first, second bytes.Buffer
		a := Run(Config{Seed: seed, Cluster: seed%2 == 0, Sagas: seed%3 == 0, Trace: &first})
		b := Run(Config{Seed: seed, Cluster: seed%2 == 0, Sagas: seed%3 == 0, Trace: &second})
		if !slices.Equal(first.Bytes(), second.Bytes()) || a.Hash != b.Hash {
			t.Fatalf("seed %d gave two traces, of %d and %d bytes", seed, first.Len(), second.Len())
		}
	}
}
