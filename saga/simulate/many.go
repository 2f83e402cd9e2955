package simulate

import (
	"cmp"
	"context"
	"slices"
)

// Summary is what came of many simulations.
type Summary struct {
	Saga      string      `json:"saga"`
	Runs      int         `json:"runs"`
	FirstSeed uint64      `json:"firstSeed"`
	Ends      map[End]int `json:"ends"`
	// Left is in how many something may have run that was not undone.
	Left int `json:"left"`
	// MedianMs and P99Ms are of the virtual time.
	MedianMs int64   `json:"medianMs"`
	P99Ms    int64   `json:"p99Ms"`
	Slowest  RunEnd  `json:"slowest"`
	Failures []Count `json:"failures"`
	// BadCount is how many ended badly; Bad are the first seeds of them.
	BadCount int      `json:"badCount"`
	Bad      []uint64 `json:"bad"`
}

// RunEnd is how one of them ended.
type RunEnd struct {
	Seed   uint64 `json:"seed"`
	End    End    `json:"end"`
	TookMs int64  `json:"tookMs"`
}

// Count is how often something happened, and a seed with which it does.
type Count struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
	Seed  uint64 `json:"seed"`
}

// The most that a summary lists.
const (
	badListed      = 20
	failuresListed = 8
	failuresKept   = 10_000
)

// RunMany simulates a scenario with successive seeds, from its own on. The error is that of the context.
func (m *Model) RunMany(ctx context.Context, s *Scenario, runs int) (*Summary, error) {
	own := *s
	own.Random = true
	sum := &Summary{
		Saga: m.def.Name, Runs: runs, FirstSeed: own.Seed, Ends: map[End]int{}, Failures: []Count{}, Bad: []uint64{},
	}
	took, failures := make([]int64, 0, runs), map[string]*Count{}
	for range runs {
		r, err := m.Run(ctx, &own)
		if err != nil {
			return nil, err
		}
		took = append(took, r.TookMs)
		sum.Ends[r.End]++
		if r.TookMs >= sum.Slowest.TookMs {
			sum.Slowest = RunEnd{own.Seed, r.End, r.TookMs}
		}
		if len(r.Left) > 0 {
			sum.Left++
		}
		if r.Bad() {
			if sum.BadCount++; len(sum.Bad) < badListed {
				sum.Bad = append(sum.Bad, own.Seed)
			}
		}
		if f := failures[r.Failure]; f != nil {
			f.Count++
		} else if r.Failure != "" && len(failures) < failuresKept {
			failures[r.Failure] = &Count{r.Failure, 1, own.Seed}
		}
		own.Seed++
	}
	slices.Sort(took)
	sum.MedianMs, sum.P99Ms = took[(len(took)-1)/2], took[(len(took)-1)*99/100]
	for _, f := range failures {
		sum.Failures = append(sum.Failures, *f)
	}
	slices.SortFunc(sum.Failures, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Seed, b.Seed))
	})
	sum.Failures = sum.Failures[:min(len(sum.Failures), failuresListed)]
	return sum, nil
}
