package deflate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// events resemble those of a pack.
func events(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for i := range n {
		id, at := 1<<50+r.Int64N(1<<20), 100+r.IntN(899)
		fmt.Fprintf(&b, `{"specversion":"1.0","id":"127.0.0.1:8091:%d/3","source":"/concord",`+
			`"type":"io.concord.decision.commit","subject":"127.0.0.1:8091:%d","time":"2026-11-21T19:55:%02d.%dZ","datacontenttype":"application/json",`+
			`"data":{"xid":"127.0.0.1:8091:%d","outcome":"commit","cause":"client","application":"bench","group":"bench",`+
			`"name":"transfer","beganAt":"2026-11-21T19:55:%02d.%dZ","epoch":1,"branches":[{"id":"%d","kind":"tcc",`+
			`"resource":"jdbc:mysql://bench/%d","data":""},{"id":"%d","kind":"tcc","resource":"jdbc:mysql://bench/1",`+
			`"data":""}]}},`, id, id, i%60, at, id, i%60, at, id+1, i%2, id+2)
	}
	return b.Bytes()
}

func inflate(t interface{ Fatalf(string, ...any) }, stream []byte) []byte {
	got, err := io.ReadAll(flate.NewReader(bytes.NewReader(stream)))
	if err != nil {
		t.Fatalf("inflate: %v", err)
	}
	return got
}

func TestPacksBecomeSmallAndComeBack(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 10, 100, 1000} {
		src := events(n)
		stream := AppendZlib([]byte("before"), src)
		r, err := zlib.NewReader(bytes.NewReader(stream[len("before"):]))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, src) {
			t.Fatalf("%d events: %v, equal: %t", n, err, bytes.Equal(got, src))
		}
		if n >= 100 && len(stream)*4 > len(src) {
			t.Errorf("%d bytes of %d", len(stream), len(src))
		}
	}
}

func TestAnythingComesBackOrIsLeftAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 1, 8).Draw(t, "words")
		var src []byte
		for _, w := range rapid.SliceOfN(rapid.IntRange(0, len(words)-1), 0, 200).Draw(t, "order") {
			src = append(src, words[w]...)
		}
		src = append(src, bytes.Repeat([]byte{7}, rapid.IntRange(0, 600).Draw(t, "run"))...)
		stream := Append(nil, src)
		if stream == nil {
			return
		}
		if len(stream) >= len(src) {
			t.Fatalf("%d bytes became %d", len(src), len(stream))
		}
		if got := inflate(t, stream); !bytes.Equal(got, src) {
			t.Fatalf("%q became %q", src, got)
		}
	})
}

func TestEachLengthAndDistanceComesBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for n := matchMin; n < 600; n++ {
		part := make([]byte, n)
		for i := range part {
			part[i] = byte(r.Uint32())
		}
		src := append(bytes.Clone(part), strings.Repeat("=", r.IntN(distMax+500))...)
		src = append(append(src, part...), "the end and more"...)
		stream := Append(nil, src)
		if stream == nil {
			continue // little was repeated
		}
		if got := inflate(t, stream); !bytes.Equal(got, src) {
			t.Fatalf("length %d of %d bytes does not come back", n, len(src))
		}
	}
}

func TestNoiseIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	src := make([]byte, 100_000)
	for i := range src {
		src[i] = byte(r.Uint32())
	}
	for _, n := range []int{0, 1, 7, 8, 100, len(src)} {
		if got := Append(nil, src[:n]); got != nil {
			t.Errorf("%d bytes became %d", n, len(got))
		}
	}
}

func BenchmarkPack(b *testing.B) {
	src := events(133)
	var dst []byte
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendZlib(dst[:0], src)
	}
	b.ReportMetric(float64(len(dst))/133, "B/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/133, "ns/event")
}
