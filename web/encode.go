package web

import (
	"encoding/json"
	"strconv"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// The answer to a begin and to a decision, written without the view in between: both are sent for every transaction. A
// test compares each byte with what encoding/json makes of the view.

// buffers keeps the memory of answers. Its zero value is ready.
type buffers struct{ pool sync.Pool }

// answerKeepMax is the size up to which the memory of an answer is kept for the next one.
const answerKeepMax = 64 << 10

// get returns an empty buffer.
func (b *buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 0, 2<<10)
	return &p
}

// put takes a buffer back with the contents that nobody needs any more.
func (b *buffers) put(p *[]byte, contents []byte) {
	if cap(contents) > answerKeepMax {
		return
	}
	*p = contents[:0]
	b.pool.Put(p)
}

// jsonType is the content type of every answer in JSON. Nobody changes the list.
var jsonType = []string{"application/json; charset=utf-8"}

// tell answers with a transaction.
func (s *Server) tell(c *gin.Context, status int, g *txn.Global) {
	s.about(c, g)
	if g.Data != "" && s.mask != nil {
		if v, ok := maskedDetail(s.maskFor(c), g, s.o.Clock.Now()); ok {
			c.JSON(status, v)
			return
		}
	}
	s.send(c, status, func(dst []byte) []byte { return appendDetail(dst, g, s.o.Clock.Now()) })
}

// send answers with JSON that is appended to an empty buffer.
func (s *Server) send(c *gin.Context, status int, body func(dst []byte) []byte) {
	p := s.answers.get()
	text := body(*p)
	c.Writer.Header()["Content-Type"] = jsonType
	c.Status(status)
	if _, err := c.Writer.Write(text); err != nil {
		_ = c.Error(err) // the client is gone
	}
	s.answers.put(p, text)
}

// tellStarted answers with a run that was begun, and where it is.
func (s *Server) tellStarted(c *gin.Context, status int, g *txn.Global) {
	path := runPath(g)
	c.Writer.Header()["Location"] = []string{path}
	s.send(c, status, func(dst []byte) []byte { return appendStarted(dst, g, path) })
}

// appendStarted appends what encoding/json makes of [SagaStarted].
func appendStarted(dst []byte, g *txn.Global, path string) []byte {
	var scratch [64]byte
	dst = append(dst, `{"xid":`...)
	dst = appendText(dst, g.XID.Append(scratch[:0]))
	dst = appendField(dst, `,"saga":`, g.Saga.Definition)
	dst = strconv.AppendUint(append(dst, `,"version":`...), uint64(g.Saga.Version), 10)
	dst = appendOptional(dst, `,"key":`, g.Saga.Key)
	dst = appendField(dst, `,"status":`, g.Status.String())
	return append(appendField(dst, `,"href":`, path), '}')
}

// appendDetail appends what encoding/json makes of [viewDetail].
func appendDetail(dst []byte, g *txn.Global, now txn.Millis) []byte {
	dst = append(dst, '{')
	dst = appendTransaction(dst, g)
	explanation, advice := explain(g, now)
	dst = appendField(dst, `,"explanation":`, explanation)
	dst = appendOptional(dst, `,"advice":`, advice)
	dst = appendOptional(dst, `,"data":`, g.Data)
	dst = append(dst, `,"branches":[`...)
	var held []HeldLock
	total := 0
	for i, b := range g.Branches {
		if i > 0 {
			dst = append(dst, ',')
		}
		n := 0
		held, n = addLocks(held, g, b)
		total += n
		dst = appendBranch(dst, b, n, now)
	}
	dst = append(dst, `],"locks":[`...)
	for i := range held {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendField(dst, `{"resource":`, held[i].Resource)
		dst = appendField(dst, `,"table":`, held[i].Table)
		dst = appendField(dst, `,"pk":`, held[i].PK)
		dst = append(appendField(dst, `,"branch":`, held[i].Branch), '}')
	}
	dst = append(dst, `],"lockCount":`...)
	return append(strconv.AppendInt(dst, int64(total), 10), '}')
}

// addLocks adds the rows that a branch holds to those that are shown, and counts them.
func addLocks(held []HeldLock, g *txn.Global, b *txn.Branch) ([]HeldLock, int) {
	if b.LockKey == "" || b.Released || g.Status.Ended() {
		return held, 0
	}
	n := 0
	txn.EachLock(b.LockKey, func(table, pk string) bool {
		n++
		if len(held) < locksShown {
			held = append(held, HeldLock{
				Resource: b.Resource, Table: txn.FoldTable(table), PK: pk, Branch: decimal(b.ID),
			})
		}
		return true
	})
	return held, n
}

// appendTransaction appends the fields of [viewTransaction].
func appendTransaction(dst []byte, g *txn.Global) []byte {
	var scratch [64]byte
	dst = append(dst, `"xid":`...)
	dst = appendText(dst, g.XID.Append(scratch[:0]))
	dst = appendQuoted(dst, `,"id":"`, g.XID.ID)
	dst = appendField(dst, `,"status":`, g.Status.String())
	dst = appendOptional(dst, `,"cause":`, g.Cause.String())
	dst = strconv.AppendBool(append(dst, `,"stuck":`...), g.Stuck != 0)
	dst = appendOptional(dst, `,"stuckReason":`, g.Stuck.String())
	dst = appendField(dst, `,"application":`, g.Application)
	dst = appendField(dst, `,"group":`, g.Group)
	dst = appendField(dst, `,"name":`, g.Name)
	dst = append(dst, `,"beganAt":"`...)
	dst = append(appendWhen(dst, g.BeganAt), '"')
	dst = appendTime(dst, `,"decidedAt":"`, g.DecidedAt)
	dst = appendTime(dst, `,"endedAt":"`, g.EndedAt)
	dst = append(dst, `,"deadline":"`...)
	dst = append(appendWhen(dst, g.Deadline()), '"')
	dst = strconv.AppendInt(append(dst, `,"timeoutMs":`...), g.Timeout.Milliseconds(), 10)
	if g.Status.Decided() {
		dst = appendField(dst, `,"decision":`, g.Status.Outcome().String())
	}
	dst = appendField(dst, `,"outcome":`, outcomeOf(g))
	if g.Heuristic {
		dst = append(dst, `,"heuristic":true`...)
	}
	if g.Status.Decided() && !g.Status.Ended() {
		dst = appendTime(dst, `,"nextAttemptAt":"`, g.DueAt)
	}
	dst = strconv.AppendInt(append(dst, `,"branchCount":`...), int64(len(g.Branches)), 10)
	if g.Saga == nil {
		return dst
	}
	dst = appendOptional(dst, `,"saga":`, g.Saga.Definition)
	if g.Saga.Version != 0 {
		dst = strconv.AppendUint(append(dst, `,"sagaVersion":`...), uint64(g.Saga.Version), 10)
	}
	return appendOptional(dst, `,"sagaKey":`, g.Saga.Key)
}

// appendBranch appends what encoding/json makes of [viewBranch], with the number of rows that are locked.
func appendBranch(dst []byte, b *txn.Branch, locked int, now txn.Millis) []byte {
	dst = appendQuoted(dst, `{"id":"`, b.ID)
	dst = appendField(dst, `,"kind":`, b.Kind.String())
	if b.Step != nil {
		dst = appendOptional(dst, `,"step":`, b.Step.Name)
	}
	dst = appendOptional(dst, `,"ack":`, b.Ack.String())
	dst = appendField(dst, `,"state":`, b.State.String())
	dst = appendField(dst, `,"resource":`, b.Resource)
	dst = appendField(dst, `,"client":`, b.Client)
	dst = append(dst, `,"registeredAt":"`...)
	dst = append(appendWhen(dst, b.RegisteredAt), '"')
	dst = appendOptional(dst, `,"key":`, b.Key)
	if b.Call != nil {
		dst = appendOptional(dst, `,"commitUrl":`, b.Call.CommitURL)
		dst = appendOptional(dst, `,"rollbackUrl":`, b.Call.RollbackURL)
		if ms := b.Call.Timeout.Milliseconds(); ms != 0 {
			dst = strconv.AppendInt(append(dst, `,"timeoutMs":`...), ms, 10)
		}
	}
	dst = strconv.AppendUint(append(dst, `,"attempts":`...), uint64(b.Attempts), 10)
	if b.Ongoing != 0 {
		dst = strconv.AppendUint(append(dst, `,"ongoing":`...), uint64(b.Ongoing), 10)
	}
	if b.InFlight(now) {
		dst = appendTime(dst, `,"inFlightUntil":"`, b.InFlightUntil)
	}
	dst = appendTime(dst, `,"nextAttemptAt":"`, b.NextAt)
	dst = appendOptional(dst, `,"failure":`, b.Failure)
	dst = strconv.AppendInt(append(dst, `,"lockedRows":`...), int64(locked), 10)
	dst = strconv.AppendInt(append(dst, `,"dataBytes":`...), int64(len(b.Data)), 10)
	return append(dst, '}')
}

// appendField appends a name and a text.
func appendField(dst []byte, name, text string) []byte { return appendText(append(dst, name...), text) }

// appendOptional appends a name and a text unless the text is empty.
func appendOptional(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return appendField(dst, name, text)
}

// appendQuoted appends a name that ends with a quote, a number and a quote.
func appendQuoted(dst []byte, name string, n int64) []byte {
	return append(strconv.AppendInt(append(dst, name...), n, 10), '"')
}

// appendTime appends a name that ends with a quote, and a time, unless there is none.
func appendTime(dst []byte, name string, m txn.Millis) []byte {
	if m == 0 {
		return dst
	}
	return append(appendWhen(append(dst, name...), m), '"')
}

// itself says of each byte whether it stands for itself in what encoding/json writes.
var itself = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return t
}()

// appendText appends a text as encoding/json writes it.
func appendText[T string | []byte](dst []byte, text T) []byte {
	start := len(dst)
	dst = append(dst, '"')
	from := 0
	for i := range len(text) {
		c := text[i]
		if itself[c] {
			continue
		}
		if c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' { // rare enough to be left to others
			quoted, _ := json.Marshal(string(text)) // a text always can be
			return append(dst[:start], quoted...)
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
			continue
		}
		const digits = "0123456789abcdef"
		dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
	return append(append(dst, text[from:]...), '"')
}
