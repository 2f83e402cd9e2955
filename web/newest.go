package web

import "github.com/concord-tx/concord/orchestrator"

// newestChunk is how many entries are read at once when the log is read backwards.
const newestChunk = 256

// readNewest goes through the entries before a number, the newest first, until yield returns false. The log itself is
// read forwards, piece by piece.
func readNewest(log Events, before uint64, yield func(orchestrator.EventEntry) bool) error {
	first, next := log.Bounds()
	piece := make([]orchestrator.EventEntry, 0, newestChunk)
	for end := min(before, next); end > first; {
		begin := first
		if end-first > newestChunk {
			begin = end - newestChunk
		}
		piece = piece[:0]
		err := log.Read(begin, func(x orchestrator.EventEntry) bool {
			if x.Seq < end {
				piece = append(piece, x)
			}
			return x.Seq < end
		})
		if err != nil {
			return err
		}
		for i := len(piece) - 1; i >= 0; i-- {
			if !yield(piece[i]) {
				return nil
			}
		}
		end = begin
	}
	return nil
}

// newest reads the order of a page: true for the newest first.
func (p *parameters) newest() bool {
	switch text := p.text("order"); text {
	case "", "oldest":
		return false
	case "newest":
		return true
	default:
		p.fail("order is oldest or newest, not %q", text)
		return false
	}
}
