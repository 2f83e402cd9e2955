package pebble

import (
	"encoding/binary"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// The key space. All numbers are big endian, so that keys sort by them.
//
//	g/ id               live transaction: the record with its leading branches
//	f/ id               ended transaction, same layout
//	b/ id index4        one branch that does not fit into the record
//	h/ id offset4       a piece of the history that does not fit, starting at offset
//	t/ began id         every transaction by time
//	a/ len2 app began id, n/ len2 name began id
//	                    every transaction that has an application or a name
//	r/ began id         every run of a saga
//	s/ status1 began id ended transactions by outcome; the value is EndedAt
//	o/ seq              outbox entry
//	q/ ...              state of the consumer groups of package mq/embedded, opaque here
//	d/ kind 0 key       document: version and expiry as varints, then the value
//	x/ expiry kind 0 key
//	                    every document that expires; no value
//	m/ids m/ended       ceiling of the reserved ids; counts of ended transactions
const (
	spaceLive    = 'g'
	spaceEnded   = 'f'
	spaceBranch  = 'b'
	spaceHistory = 'h'
	spaceTime    = 't'
	spaceApp     = 'a'
	spaceName    = 'n'
	spaceRun     = 'r'
	spaceStatus  = 's'
	spaceOutbox  = 'o'
	spaceState   = 'q'
	spaceMeta    = 'm'

	spaceDocument = 'd'
	spaceExpiry   = 'x'
)

// indexNameBytesMax bounds the part of a name that an index key holds; a query compares the whole name itself.
const indexNameBytesMax = 256

// indexTail is the length of the began time and id at the end of every index key.
const indexTail = 16

func metaKey(name string) []byte { return append([]byte{spaceMeta, '/'}, name...) }

func appendIDKey(dst []byte, space byte, id int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, space, '/'), uint64(id))
}

func appendPartKey(dst []byte, space byte, id int64, part uint32) []byte {
	return binary.BigEndian.AppendUint32(appendIDKey(dst, space, id), part)
}

func appendIndexTail(dst []byte, began txn.Millis, id int64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(began))
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

// appendNamePrefix appends what all index keys of one name begin with.
func appendNamePrefix(dst []byte, space byte, name string) []byte {
	if len(name) > indexNameBytesMax {
		name = name[:indexNameBytesMax]
	}
	dst = append(dst, space, '/')
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(name)))
	return append(dst, name...)
}

func appendStatusPrefix(dst []byte, status txn.Status) []byte {
	return append(dst, spaceStatus, '/', byte(status))
}

// parseIndexTail reads the end of an index key.
func parseIndexTail(key []byte) (began txn.Millis, id int64, ok bool) {
	if len(key) < 2+indexTail {
		return 0, 0, false
	}
	tail := key[len(key)-indexTail:]
	return txn.Millis(binary.BigEndian.Uint64(tail)), int64(binary.BigEndian.Uint64(tail[8:])), true
}

// parseIDKey reads the id of a key of the form g/id, b/id… and so on.
func parseIDKey(key []byte) (int64, bool) {
	if len(key) < 10 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(key[2:])), true
}

// spaceBounds returns the bounds of all keys of a space.
func spaceBounds(space byte) (lower, upper []byte) {
	return []byte{space, '/'}, []byte{space, '/' + 1}
}

// after returns the least key that is greater than all keys that begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
