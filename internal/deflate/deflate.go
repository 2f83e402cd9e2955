package deflate

import (
	"encoding/binary"
	"hash/adler32"
	"math/bits"
	"slices"
	"sync"
)

// The bounds of the format, and of how matches are looked for.
const (
	matchMin  = 4
	matchMax  = 258
	distMax   = 32 << 10
	hashBits  = 12
	hashPrime = 2654435761
	// zlibHead is a window of 32 KB, and the fastest level.
	zlibHead = 0x7801
	// ahead is how many bytes are read and written at a time.
	ahead = 8
)

// encoder is one block of fixed codes while it grows.
type encoder struct {
	last  [1 << hashBits]int32 // by hash of four bytes: one past where they were last
	out   []byte               // as long as it may become, and ahead
	n     int                  // bytes of out that are filled
	bits  uint64               // not in out yet, the first is the lowest
	count uint
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// Append appends src to dst as a DEFLATE stream. It returns nil if that is not shorter than src.
func Append(dst, src []byte) []byte {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	if !e.block(src) {
		return nil
	}
	return append(slices.Grow(dst, e.n), e.out[:e.n]...)
}

// AppendZlib appends src to dst as a zlib stream, which is six bytes more. It returns nil where Append does.
func AppendZlib(dst, src []byte) []byte {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	if !e.block(src) {
		return nil
	}
	dst = binary.BigEndian.AppendUint16(slices.Grow(dst, e.n+6), zlibHead)
	dst = append(dst, e.out[:e.n]...)
	return binary.BigEndian.AppendUint32(dst, adler32.Checksum(src))
}

// block encodes all of src, and reports whether that made it shorter.
func (e *encoder) block(src []byte) bool {
	clear(e.last[:])
	if len(e.out) < len(src)+2*ahead {
		e.out = make([]byte, len(src)+len(src)/4+2*ahead)
	}
	e.n, e.bits, e.count = 0, 0, 0
	e.put(3, 3) // the last block, of fixed codes
	repeat := 0
	for i := 0; i < len(src); {
		if e.n >= len(src) {
			return false
		}
		if i+ahead > len(src) {
			e.put(literals[src[i]].bits, literals[src[i]].n)
			i++
			continue
		}
		v := binary.LittleEndian.Uint32(src[i:])
		slot := &e.last[v*hashPrime>>(32-hashBits)]
		from := int(*slot) - 1
		*slot = int32(i + 1)
		if repeat > 0 && binary.LittleEndian.Uint32(src[i-repeat:]) == v {
			from = i - repeat
		} else if from < 0 || i-from > distMax || binary.LittleEndian.Uint32(src[from:]) != v {
			e.put(literals[src[i]].bits, literals[src[i]].n)
			i++
			continue
		}
		n := matchMin + common(src[from+matchMin:], src[i+matchMin:])
		repeat = i - from
		if !e.match(n, repeat, len(src)) {
			return false
		}
		i += n
	}
	e.put(0, 7) // the end of the block
	e.flush()
	return e.n < len(src)
}

// common counts the bytes at the beginning of b, which is the shorter one, that are those of a.
func common(a, b []byte) int {
	n := 0
	for len(b)-n >= ahead {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += ahead
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// match puts n bytes as they were so far ago. It returns false if out has more than limit bytes.
func (e *encoder) match(n, ago, limit int) bool {
	far := distance(ago)
	for n > 0 && e.n < limit {
		m := min(n, matchMax)
		if left := n - m; left > 0 && left < matchMin {
			m -= matchMin
		}
		e.put(lengths[m].bits, lengths[m].n)
		e.put(far.bits, far.n)
		n -= m
	}
	return n == 0
}

// put appends the lowest n bits of v, at most 18.
func (e *encoder) put(v uint32, n uint8) {
	e.bits |= uint64(v) << e.count
	e.count += uint(n)
	if e.count >= 32 {
		binary.LittleEndian.PutUint32(e.out[e.n:], uint32(e.bits))
		e.n += 4
		e.bits >>= 32
		e.count -= 32
	}
}

// flush fills the last byte.
func (e *encoder) flush() {
	binary.LittleEndian.PutUint64(e.out[e.n:], e.bits)
	e.n += int(e.count+7) / 8
}

// code is the bits of a symbol, with those that come behind it.
type code struct {
	bits uint32
	n    uint8
}

// symbol makes a code of n bits, the first of which is the highest, and more that stand as they are.
func symbol(v uint32, n uint8, extra uint32, extraBits uint8) code {
	return code{bits.Reverse32(v)>>(32-n) | extra<<n, n + extraBits}
}

// literals are the fixed codes of bytes.
var literals = func() (t [256]code) {
	for i := range t {
		if i < 144 {
			t[i] = symbol(0x30+uint32(i), 8, 0, 0)
		} else {
			t[i] = symbol(0x190+uint32(i-144), 9, 0, 0)
		}
	}
	return t
}()

// lengths are the fixed codes of lengths of matches.
var lengths = func() (t [matchMax + 1]code) {
	length := 3
	for s := uint32(257); s < 285; s++ {
		extra := uint8(0)
		if s >= 265 {
			extra = uint8(s-261) / 4
		}
		for x := range uint32(1) << extra {
			t[length] = lengthSymbol(s, x, extra)
			length++
		}
	}
	t[matchMax] = lengthSymbol(285, 0, 0)
	return t
}()

func lengthSymbol(s, extra uint32, extraBits uint8) code {
	if s < 280 {
		return symbol(s-256, 7, extra, extraBits)
	}
	return symbol(0xc0+s-280, 8, extra, extraBits)
}

// distance is the code of how long ago something was.
func distance(ago int) code {
	x := uint32(ago - 1)
	if x < 4 {
		return symbol(x, 5, 0, 0)
	}
	extra := uint8(bits.Len32(x)) - 2
	return symbol(2*uint32(extra+1)+x>>extra&1, 5, x&(1<<extra-1), extra)
}
