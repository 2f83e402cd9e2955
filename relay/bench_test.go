package relay

import (
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// BenchmarkHandOver sends commands to another node, whose participants answer at once: both calls, signed, over
// loopback, and both nodes in this process.
func BenchmarkHandOver(b *testing.B) {
	for name, window := range map[string]int{"one": 1, "many": 1000} {
		b.Run(name, func(b *testing.B) {
			from, to := pair(b)
			go answerAll(to)
			defer close(to.rms.asked)
			cmd := commit(7, txn.TCC, "r")
			b.ReportAllocs()
			b.ResetTimer()
			open := 0
			for range b.N {
				for ; open >= window; open-- {
					<-from.told
				}
				if err := from.Send(cmd); err != nil {
					b.Fatal(err)
				}
				open++
			}
			for range open {
				<-from.told
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
			b.ReportMetric(float64(from.Stats().HandedOver)/float64(from.Stats().Calls), "commands/call")
		})
	}
}
