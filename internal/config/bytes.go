package config

import (
	"errors"
	"strconv"
	"strings"
)

// Bytes is an amount of memory or disk. Its text is a number, alone or with one of the units KiB, MiB and GiB.
type Bytes int64

// The units.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

var errBytes = errors.New("write a number of bytes, or one with a unit, as in 512KiB, 64MiB or 2GiB")

// unit is a suffix of the text form.
type unit struct {
	name string
	size Bytes
}

// units lists the suffixes, the largest first.
func units() []unit { return []unit{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}} }

// String returns the shortest exact text.
func (b Bytes) String() string {
	for _, u := range units() {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// UnmarshalText reads the text form.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, size := strings.TrimSpace(string(text)), Bytes(1)
	for _, u := range units() {
		if rest, found := strings.CutSuffix(digits, u.name); found {
			digits, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || Bytes(n) > (1<<62)/size {
		return errBytes
	}
	*b = Bytes(n) * size
	return nil
}
