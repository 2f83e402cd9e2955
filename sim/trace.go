package sim

import (
	"fmt"
	"io"
	"time"

	"github.com/concord-tx/concord/sim/check"
)

// trace follows a run: always as a hash, and as text if somebody reads it.
type trace struct {
	hash uint64
	out  io.Writer
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func (t *trace) mix(v uint64) {
	for range 8 {
		t.hash = (t.hash ^ (v & 0xff)) * fnvPrime
		v >>= 8
	}
}

func (t *trace) mixString(s string) {
	for i := range len(s) {
		t.hash = (t.hash ^ uint64(s[i])) * fnvPrime
	}
}

// note adds an entry to the trace and returns its position. The text is a constant; the transaction, a branch or other
// number, and a word follow.
func (w *World) note(text string, id, number int64, word string) check.Seq {
	w.seq++
	t := &w.trace
	t.mix(uint64(w.now))
	t.mix(uint64(id))
	t.mix(uint64(number))
	t.mixString(text)
	t.mixString(word)
	if t.out != nil {
		fmt.Fprintf(t.out, "%6d %12v tx %-5d %s %d %s\n", w.seq, w.now.Round(time.Microsecond), id, text, number, word)
	}
	return w.seq
}
