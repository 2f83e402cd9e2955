package pebble

import "github.com/concord-tx/concord/orchestrator/txn"

// liveTable is what memory knows of the live transactions. It holds no pointers into records, and none per record.
type liveTable struct {
	index  map[int64]uint32 // id to the record's number
	chunks []*[liveChunk]liveRecord
	used   uint32   // numbers given out so far
	free   []uint32 // numbers given back
	due    dueHeap
	// prefixes are the distinct "host:port" of xids: one per node that ever wrote here.
	prefixes    []string
	prefixIndex map[string]uint32

	byStatus [txn.RolledBack + 1]int64
	stuck    int64

	// oldest and newest are the ends of the list of live records in the order of their begin.
	oldest, newest uint32
}

// noRecord is the number of no record.
const noRecord = ^uint32(0)

// liveChunk is the number of records per chunk: growing by chunks never copies what is there.
const liveChunk = 1 << 12

// liveRecord is the state of the newest change that was queued, durable or not.
type liveRecord struct {
	id        int64 // 0: free
	version   uint64
	began     txn.Millis
	dueAt     txn.Millis // as stored; the heap may hold a later claim
	place     uint32     // in the heap
	older     uint32     // the neighbours in the order of begin, or noRecord
	newer     uint32
	prefix    uint32
	app, name uint32 // hashes, to pass over records without reading them
	layout    layout
	status    txn.Status
	stuck     txn.Stuck
	saga      bool
}

func newLiveTable() liveTable {
	return liveTable{
		index: map[int64]uint32{}, prefixIndex: map[string]uint32{}, oldest: noRecord, newest: noRecord,
	}
}

func (l *liveTable) at(ref uint32) *liveRecord { return &l.chunks[ref/liveChunk][ref%liveChunk] }

// get returns the record of a live transaction, or nil.
func (l *liveTable) get(id int64) *liveRecord {
	ref, ok := l.index[id]
	if !ok {
		return nil
	}
	return l.at(ref)
}

func (l *liveTable) xid(r *liveRecord) txn.XID {
	return txn.XID{Prefix: l.prefixes[r.prefix], ID: r.id}
}

// store stores the state g, which is live, with its layout.
func (l *liveTable) store(g *txn.Global, lay layout) {
	ref, ok := l.index[g.XID.ID]
	if !ok {
		ref = l.add(g)
	}
	r := l.at(ref)
	if ok {
		l.count(r, -1)
	}
	r.version, r.layout, r.status, r.stuck = g.Version, lay, g.Status, g.Stuck
	l.count(r, 1)
	if !ok || r.dueAt != g.DueAt {
		r.dueAt = g.DueAt
		l.setDue(ref, g.DueAt)
	}
}

func (l *liveTable) add(g *txn.Global) uint32 {
	var ref uint32
	if n := len(l.free); n > 0 {
		ref, l.free = l.free[n-1], l.free[:n-1]
	} else {
		if l.used/liveChunk == uint32(len(l.chunks)) {
			l.chunks = append(l.chunks, new([liveChunk]liveRecord))
		}
		ref = l.used
		l.used++
	}
	prefix, ok := l.prefixIndex[g.XID.Prefix]
	if !ok {
		prefix = uint32(len(l.prefixes))
		l.prefixes = append(l.prefixes, g.XID.Prefix)
		l.prefixIndex[g.XID.Prefix] = prefix
	}
	*l.at(ref) = liveRecord{
		id: g.XID.ID, began: g.BeganAt, place: notDue, prefix: prefix,
		app: hash32(g.Application), name: hash32(g.Name), saga: g.Saga != nil,
	}
	l.index[g.XID.ID] = ref
	l.link(ref)
	return ref
}

// linkMax bounds how far a record is put before those that were linked earlier. Only after the clock was set back would
// it be more; the list is not quite in order then, until they have ended.
const linkMax = 1000

// link puts a record into its place by age: nearly always it is the newest, or a few before that.
func (l *liveTable) link(ref uint32) {
	r := l.at(ref)
	r.older, r.newer = l.newest, noRecord
	for n := 0; n < linkMax && r.older != noRecord && l.at(r.older).began > r.began; n++ {
		r.older, r.newer = l.at(r.older).older, r.older
	}
	*l.newerOf(r.older), *l.olderOf(r.newer) = ref, ref
}

func (l *liveTable) unlink(r *liveRecord) {
	*l.newerOf(r.older), *l.olderOf(r.newer) = r.newer, r.older
}

// newerOf is where the next newer of a record is kept; that of none is the oldest of all.
func (l *liveTable) newerOf(ref uint32) *uint32 {
	if ref == noRecord {
		return &l.oldest
	}
	return &l.at(ref).newer
}

// olderOf is where the next older of a record is kept; that of none is the newest of all.
func (l *liveTable) olderOf(ref uint32) *uint32 {
	if ref == noRecord {
		return &l.newest
	}
	return &l.at(ref).older
}

// remove forgets a transaction that has ended.
func (l *liveTable) remove(id int64) {
	ref, ok := l.index[id]
	if !ok {
		return
	}
	r := l.at(ref)
	l.count(r, -1)
	l.setDue(ref, 0)
	l.unlink(r)
	*r = liveRecord{place: notDue}
	delete(l.index, id)
	l.free = append(l.free, ref)
}

func (l *liveTable) count(r *liveRecord, d int64) {
	l.byStatus[r.status] += d
	if r.stuck != 0 {
		l.stuck += d
	}
}

// hash32 is FNV-1a: the same in every process, because cursors carry it.
func hash32(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
