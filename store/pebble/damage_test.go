package pebble_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/store/pebble"
)

// TestOnlyDamageIsRefused opens a store whose newest log was changed.
func TestOnlyDamageIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		change  func(log []byte) []byte
		refused bool
	}{
		{"as it was", func(log []byte) []byte { return log }, false},
		{"cut off", func(log []byte) []byte { return log[:len(log)-5] }, false},
		{"zeros behind", func(log []byte) []byte { return append(log, make([]byte, 100_000)...) }, false},
		{"an older log behind", func(log []byte) []byte {
			older := slices.Clone(log)
			for i := range older { // as if it had another number: its checksums cannot be right then
				older[i] ^= 0xff
			}
			return append(log, older...)
		}, false},
		{"the last records", func(log []byte) []byte {
			log[len(log)-20] ^= 1
			return log
		}, false},
		{"the first record", func(log []byte) []byte {
			log[20] ^= 1
			return log
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fs := vfs.NewStrictMem()
			o := pebble.DefaultOptions()
			o.FS, o.Fatal = fs, func(err error) { t.Errorf("fatal: %v", err) }
			s, err := pebble.Open(t.Context(), "data", o)
			if err != nil {
				t.Fatal(err)
			}
			for range 40 {
				if _, err := s.ReserveIDs(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			fs.SetIgnoreSyncs(true)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			fs.ResetToSyncedState()
			fs.SetIgnoreSyncs(false)
			rewriteLog(t, fs, tt.change)
			s, err = pebble.Open(t.Context(), "data", o)
			if got := errors.Is(err, pebble.ErrDamaged); got != tt.refused {
				t.Errorf("refused %t: %v", got, err)
			}
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// rewriteLog changes the newest log.
func rewriteLog(t *testing.T, fs vfs.FS, change func([]byte) []byte) {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	newest := 0
	for _, name := range names {
		if base, found := strings.CutSuffix(name, ".log"); found {
			n, _ := strconv.Atoi(base)
			newest = max(newest, n)
		}
	}
	path := "data/" + strings.Repeat("0", 6-len(strconv.Itoa(newest))) + strconv.Itoa(newest) + ".log"
	info, err := fs.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, info.Size())
	f, err := fs.Open(path)
	if err == nil {
		_, err = f.ReadAt(raw, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	raw = []byte(strings.TrimRight(string(raw), "\x00"))
	if f, err = fs.Create(path); err == nil {
		_, err = f.Write(change(raw))
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}
