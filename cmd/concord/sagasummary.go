package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/concord-tx/concord/saga/simulate"
)

// drawSummary draws what came of many simulations.
func drawSummary(to io.Writer, s *simulate.Summary, file string) error {
	var b strings.Builder
	last := s.FirstSeed + uint64(s.Runs) - 1
	fmt.Fprintf(&b, "%s, simulated %d times, seeds %d to %d\n\n", s.Saga, s.Runs, s.FirstSeed, last)
	for _, end := range []simulate.End{simulate.EndDone, simulate.EndCompensated, simulate.EndStuck, simulate.EndRunning} {
		n := s.Ends[end]
		bar := strings.Repeat("█", n*summaryBar/s.Runs)
		if n > 0 && bar == "" {
			bar = "▏"
		}
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("  %-12s %8d  %s", end, n, bar), " "))
	}
	if s.Left > 0 {
		fmt.Fprintf(&b, "  in %d of them something may have run that was not undone\n", s.Left)
	}
	ms := func(n int64) string { return span(time.Duration(n) * time.Millisecond) }
	fmt.Fprintf(&b, "\n  virtual time  half within %s, 99 %% within %s\n", ms(s.MedianMs), ms(s.P99Ms))
	fmt.Fprintf(&b, "  the slowest   seed %d: %s after %s\n", s.Slowest.Seed, s.Slowest.End, ms(s.Slowest.TookMs))
	if len(s.Failures) > 0 {
		b.WriteString("\n  why not done\n")
		for _, f := range s.Failures {
			fmt.Fprintf(&b, "  %8d  %s (seed %d)\n", f.Count, oneLine(f.Text, drawWidth-28), f.Seed)
		}
	}
	if s.BadCount > 0 {
		fmt.Fprintf(&b, "\n  bad ends      %d, seeds %s", s.BadCount, strings.Trim(fmt.Sprint(s.Bad), "[]"))
		if s.BadCount > len(s.Bad) {
			b.WriteString(" ...")
		}
		b.WriteString("\n")
	}
	look := s.Slowest.Seed
	if len(s.Bad) > 0 {
		look = s.Bad[0]
	}
	fmt.Fprintf(&b, "\nLook at one with: concord saga simulate %s --seed %d and the same other flags\n", file, look)
	_, err := io.WriteString(to, b.String())
	return err
}

// summaryBar is the longest bar.
const summaryBar = 54
