package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	cockroach "github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/record"
	"github.com/cockroachdb/pebble/vfs"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// ErrDamaged says that files of the store were changed behind its back: what they held is not what was written.
var ErrDamaged = errors.New("store is damaged")

// recordsUnsyncedMax is above the number of log records that can be unsynced at any time: a group each for completer,
// channel and committer, and a few small writes beside them. After a power failure the disk may have kept any of
// these, and not others. A record that more than these follow was synced.
const recordsUnsyncedMax = 16

// The shape of a chunk of a record. Pebble record/record.go.
const (
	chunkBlock          = 32 << 10
	chunkHeader         = 7 // checksum, length, type
	chunkHeaderRecycled = chunkHeader + 4
	chunkFullRecycled   = 5
	chunkFirstRecycled  = 6
)

// checkFiles looks for damage that Pebble takes for the end of a log or manifest that a crash cut off, and would drop
// the rest of in silence. Tables have checksums that Pebble does check.
func checkFiles(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	newest, data := uint64(0), ""
	for _, name := range names {
		if strings.HasSuffix(name, ".log") || strings.HasSuffix(name, ".sst") {
			data = name
		}
		if base, found := strings.CutSuffix(name, ".log"); found {
			if n, err := strconv.ParseUint(base, 10, 32); err == nil {
				newest = max(newest, n) // in older ones Pebble tolerates nothing
			}
		}
	}
	if newest > 0 {
		if err := checkLog(fs, dir, newest); err != nil {
			return err
		}
	}
	desc, err := cockroach.Peek(dir, fs)
	switch {
	case err != nil:
		return err
	case desc.Exists && newest == 0 && (data != "" || !strings.HasSuffix(desc.ManifestFilename, "MANIFEST-000001")):
		return fmt.Errorf("%w: the log is missing", ErrDamaged) // there is one from the first start on
	case desc.Exists:
		return checkManifest(fs, desc.ManifestFilename)
	case data != "": // Pebble would begin anew, and delete it
		return fmt.Errorf("%w: there is %s, but no manifest that tells of it", ErrDamaged, data)
	}
	return nil
}

// readRecords returns the bytes of a file and the offset behind the last record that can be read.
func readRecords(fs vfs.FS, path string, number uint64) (raw []byte, end int, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	if raw, err = io.ReadAll(f); err != nil {
		return nil, 0, err
	}
	records := record.NewReader(bytes.NewReader(raw), cockroach.FileNum(number))
	for {
		r, err := records.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			return raw, min(end, len(raw)), nil
		}
		end = int(records.Offset())
	}
}

// checkLog refuses a log in which too many whole records follow one that cannot be read.
func checkLog(fs vfs.FS, dir string, number uint64) error {
	name := fmt.Sprintf("%06d.log", number)
	raw, end, err := readRecords(fs, fs.PathJoin(dir, name), number)
	if err != nil {
		return err
	}
	whole := 0
	for at := end; at+chunkHeaderRecycled <= len(raw); at++ {
		if kind := raw[at+6]; kind != chunkFullRecycled && kind != chunkFirstRecycled ||
			binary.LittleEndian.Uint32(raw[at+7:]) != uint32(number) {
			continue
		}
		size := chunkHeaderRecycled + int(binary.LittleEndian.Uint16(raw[at+4:]))
		if at%chunkBlock+size > chunkBlock || at+size > len(raw) || chunkSum(raw[at+6:at+size]) !=
			binary.LittleEndian.Uint32(raw[at:]) {
			continue
		}
		if whole++; whole > recordsUnsyncedMax {
			return fmt.Errorf("%w: %s cannot be read at byte %d, but records that were written later can", ErrDamaged,
				name, end)
		}
	}
	return nil
}

// checkManifest refuses a manifest whose last record is there in full but is not what was written: each is synced
// before the next, and before files that it replaces are deleted.
func checkManifest(fs vfs.FS, path string) error {
	raw, end, err := readRecords(fs, path, 0)
	if err != nil {
		return err
	}
	rest := raw[end:]
	if len(rest) < chunkHeader || len(bytes.Trim(rest, "\x00")) == 0 {
		return nil
	}
	size := chunkHeader + int(binary.LittleEndian.Uint16(rest[4:]))
	if size > len(rest) { // cut off
		return nil
	}
	return fmt.Errorf("%w: %s cannot be read at byte %d of %d", ErrDamaged, fs.PathBase(path), end, len(raw))
}

// damaged adds ErrDamaged to what Pebble says of damage. Its errors tell it by their text alone to those who do not
// import its errors package.
func damaged(err error) error {
	if err == nil || errors.Is(err, ErrDamaged) {
		return err
	}
	for _, sign := range []string{"checksum mismatch", "invalid table", "malformed manifest", "corrupt", "bad magic"} {
		if strings.Contains(err.Error(), sign) {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if errors.Is(err, txn.ErrEncoding) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// chunkSum is the checksum of a chunk. Pebble internal/crc.
func chunkSum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli())
	return (c>>15 | c<<17) + 0xa282ead8
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
