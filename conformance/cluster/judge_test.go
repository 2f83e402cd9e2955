//go:build parts

package cluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/concord-tx/concord/audit"
)

// row is a line of the table of results.
type row struct {
	name                  string
	transfers, rolledBack int
	conflicts, unknown    int
	gaps                  []time.Duration // of each bank
	took, fault           time.Duration
	checked, violations   int64
}

// scenario runs the banks, has fault do its worst and mend it again, and judges what is left.
func (c *cluster) scenario(t *testing.T, name string, fault func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		began := time.Now()
		before := c.look(t)
		from := began.UnixMicro()
		for _, b := range c.banks {
			if err := b.tell("run", 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		c.progress(t)
		atFault := time.Now()
		fault(t)
		r := row{name: name, fault: time.Since(atFault)}
		c.progress(t)
		to := time.Now().UnixMicro()
		for _, b := range c.banks {
			if err := b.pause(); err != nil {
				t.Fatal(err)
			}
		}
		for i, w := range c.look(t) {
			r.transfers += len(w.committed) - len(before[i].committed)
			r.rolledBack += w.rolledBack - before[i].rolledBack
			r.conflicts += w.conflicts - before[i].conflicts
			r.unknown += w.unknown - before[i].unknown
			r.gaps = append(r.gaps, w.gap(from, to))
		}
		report := c.judge(t)
		for _, result := range report.Results {
			r.checked += result.Checked
		}
		r.violations, r.took = report.Violations, time.Since(began)
		c.rows = append(c.rows, r)
		t.Logf("%d transfers, %d rolled back, gaps %v, %d conflicts, %d unknown answers, %d checks, %d violations, %v",
			r.transfers, r.rolledBack, r.gaps, r.conflicts, r.unknown, r.checked, r.violations, r.took.Round(time.Second))
	})
	if t.Failed() {
		t.FailNow() // what comes next would judge the same ruins
	}
}

// look is what the banks' clients know by now.
func (c *cluster) look(t testing.TB) (all []watcher) {
	t.Helper()
	for _, b := range c.banks {
		all = append(all, b.seen.look(t))
	}
	return all
}

// progressPerClerk is how many commits a clerk makes, on the average, before clients count as being served.
const progressPerClerk = 8

// progress waits until the clients of each bank were told of so many more commits, and have found every node where it
// is now. Seata's clients look for new addresses every ten seconds.
func (c *cluster) progress(t testing.TB) {
	t.Helper()
	start := c.look(t)
	err := poll(60*time.Second, func() error {
		for i, w := range c.look(t) {
			b := c.banks[i]
			want := progressPerClerk * b.generation.clerks
			if n := len(w.committed) - len(start[i].committed); n < want {
				return fmt.Errorf("%d of %d transfers of bank %s", n, want, b.prefix)
			}
			for _, n := range c.nodes {
				if w.begun[local(n.tc)] == 0 {
					return fmt.Errorf("bank %s has begun nothing on node %s, but on %v", b.prefix, n.id, w.begun)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("not within a minute: %v\n%s", err, c.condition())
	}
}

// condition is what one would look at first when something takes too long.
func (c *cluster) condition() string {
	var b strings.Builder
	for _, n := range c.nodes {
		fmt.Fprintln(&b, n.condition())
	}
	for _, k := range c.banks {
		fmt.Fprintf(&b, "log of bank %s:\n%s\n", k.prefix, tail(k.log))
	}
	return b.String()
}

// judge waits until the cluster is at rest and finds nothing wrong, and fails with the report if it does not come to
// that.
func (c *cluster) judge(t *testing.T) *audit.Report {
	t.Helper()
	for _, n := range c.nodes {
		n.ready(t, 60*time.Second)
	}
	rest := poll(60*time.Second, func() error {
		raw, err := c.nodes[0].get("/api/v1/transactions?live=true&limit=5")
		if err != nil {
			return err
		}
		var page struct{ Items []json.RawMessage }
		if err := json.Unmarshal(raw, &page); err != nil || len(page.Items) > 0 {
			return fmt.Errorf("transactions that have not ended: %s %v", raw, err)
		}
		return nil
	})
	if rest != nil {
		t.Errorf("the cluster does not come to rest: %v\n%s", rest, c.condition())
	}
	var report *audit.Report
	var text string
	err := poll(30*time.Second, func() (err error) {
		report, text, err = c.audit("--at-rest")
		if err == nil && !report.Clean() {
			err = errors.New("violations")
		}
		return err
	})
	if err != nil {
		t.Fatalf("audit: %v\n%s", err, text)
	}
	for _, name := range report.Unchecked() {
		// These have nothing to look at unless something went wrong, or timed out.
		if name != "I5" && name != "I8" && name != "I32" {
			t.Errorf("%s was not checked", name)
		}
	}
	if err := os.WriteFile(filepath.Join(c.work, c.set+"-report.txt"), []byte(text), 0o644); err != nil {
		t.Error(err)
	}
	return report
}

// audit runs `concord audit` as an operator would; more are flags.
func (c *cluster) audit(more ...string) (*audit.Report, string, error) {
	namesrv, err := os.ReadFile(filepath.Join(c.brokers.dir, "namesrv"))
	if err != nil {
		return nil, "", err
	}
	args := append([]string{
		"audit", "--mysql-dsn", c.store.dsn(c.schema), "--rocketmq-namesrv", strings.TrimSpace(string(namesrv)),
		"--participants", c.participantsFile(), "--json", "--timeout", "60s",
	}, more...)
	for _, b := range c.banks {
		args = append(args, "--history", b.seen.path)
	}
	cmd := exec.Command(c.bin, args...)
	cmd.Env = withoutConcord()
	var complaints strings.Builder
	cmd.Stderr = &complaints
	raw, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return nil, complaints.String(), fmt.Errorf("%w: %s", err, complaints.String())
	}
	report := &audit.Report{}
	if err := json.Unmarshal(raw, report); err != nil {
		return nil, string(raw), err
	}
	var text strings.Builder
	if err := report.Write(&text); err != nil {
		return nil, "", err
	}
	return report, text.String(), nil
}

// results draws the table.
func (c *cluster) results(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprint(w, "scenario\ttransfers\trolled back\t")
	for _, g := range c.generations {
		_, _ = fmt.Fprintf(w, "longest gap %s\t", g.name)
	}
	_, _ = fmt.Fprintln(w, "fault lasted\tconflicts\tunknown answers\tchecks\tviolations\ttook")
	for _, r := range c.rows {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t", r.name, r.transfers, r.rolledBack)
		for _, gap := range r.gaps {
			_, _ = fmt.Fprintf(w, "%.1f s\t", gap.Seconds())
		}
		_, _ = fmt.Fprintf(w, "%.1f s\t%d\t%d\t%d\t%d\t%.0f s\n", r.fault.Seconds(), r.conflicts, r.unknown, r.checked,
			r.violations, r.took.Seconds())
	}
	_ = w.Flush()
	t.Logf("results\n%s", b.String())
}
