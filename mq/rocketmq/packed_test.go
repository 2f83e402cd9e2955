package rocketmq

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/concord-tx/concord/orchestrator"
)

// storedMessage encodes a message as brokers hand it out. Source: MessageDecoder.java.
func storedMessage(m *primitive.Message) []byte {
	flags, payload := uint32(0), m.Body
	if m.Compress {
		flags, payload = primitive.FlagCompressed, m.CompressedBody
	}
	props := m.MarshallProperties()
	b := make([]byte, sysFlagAt, 200+len(payload)+len(props))
	b = binary.BigEndian.AppendUint32(b, flags)
	b = append(b, make([]byte, 8+8+8+8+4+8)...) // times, hosts, how often, where its half was
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(payload))), payload...)
	b = append(append(b, byte(len(m.Topic))), m.Topic...)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(props))), props...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// packOf is a pack of n decisions.
func packOf(l *Log, n int) *pack {
	p := l.newPack(laneKey{"t", "g"})
	for i := range n {
		event := fmt.Sprintf(`{"specversion":"1.0","id":"h:1:%d/2","subject":"h:1:%[1]d","data":{"name":"transfer"}}`, i+1)
		p.entries = append(p.entries, orchestrator.OutboxEntry{ID: int64(i + 1), Pack: p.id, Event: []byte(event)})
	}
	return p
}

// TestLargeBodiesAreCompressed: readers of the library get the very bytes of the events, and our own consumer, which
// leaves bodies packed, the same transactions, also where the keys do not tell.
func TestLargeBodiesAreCompressed(t *testing.T) {
	t.Parallel()
	l := &Log{opts: Options{Epoch: func() int64 { return 7 }}, name: "n"}
	for _, n := range []int{1, 10, 200, 900} {
		p := packOf(l, n)
		var events []string
		for _, e := range p.entries {
			events = append(events, string(e.Event))
		}
		want := "[" + strings.Join(events, ",") + "]"
		m := l.message(p)
		if m.Compress != (len(want) >= compressFrom) || m.Compress && 5*len(m.CompressedBody) > len(want) {
			t.Errorf("%d bytes: compressed is %t, to %d", len(want), m.Compress, len(m.CompressedBody))
		}
		both := append(storedMessage(m), storedMessage(m)...)
		plain, err := decodeMessages(bytes.Clone(both))
		if err != nil || len(plain) != 2 || string(plain[1].Body) != want {
			t.Fatalf("%d decisions: %v, %d messages", n, err, len(plain))
		}
		left, err := decodePacked(both)
		if err != nil || len(left) != 2 || left[0].Compress != m.Compress || left[1].Compress != m.Compress {
			t.Fatalf("%d decisions: %v, %d messages", n, err, len(left))
		}
		if body, err := bodyOf(left[1]); err != nil || string(body) != want {
			t.Errorf("%d decisions: %v, %d bytes", n, err, len(body))
		}
		for _, keys := range []string{left[1].GetKeys(), ""} {
			ids, err := idsOf(left[1].GetProperty(PropertyCount), keys, left[1])
			if err != nil || len(ids) != n || ids[n-1] != int64(n) {
				t.Errorf("%d decisions by keys %.20q: %v, %d", n, keys, err, len(ids))
			}
		}
	}
}

// TestDamagedBodiesAreAnError cuts a compressed body short, and the list of messages around it.
func TestDamagedBodiesAreAnError(t *testing.T) {
	t.Parallel()
	l := &Log{opts: Options{Epoch: func() int64 { return 7 }}, name: "n"}
	m := l.message(packOf(l, 200))
	whole := m.CompressedBody
	for _, n := range []int{0, 1, 2, 100, len(whole) - 1} {
		cut := &primitive.MessageExt{Message: primitive.Message{Body: whole[:n], Compress: true}}
		if ids, err := idsOf("200", "", cut); err == nil {
			t.Errorf("%d bytes: %d ids", n, len(ids))
		}
	}
	stored := storedMessage(m)
	for _, n := range []int{3, sysFlagAt, sysFlagAt + 4, len(stored) / 2} {
		got, err := decodePacked(bytes.Clone(stored[:n]))
		for _, m := range got {
			if ids, err := idsOf(m.GetProperty(PropertyCount), m.GetKeys(), m); err == nil {
				t.Errorf("%d bytes: %d ids", n, len(ids))
			}
		}
		if err == nil && len(got) == 0 {
			t.Errorf("%d bytes are nothing", n)
		}
	}
	if n := len(keepPacked(make([]byte, 100))); n != 1 { // a size of 0 does not go on for ever
		t.Errorf("%d messages", n)
	}
}
