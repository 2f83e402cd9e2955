package relay

import (
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/orchestrator/txn"
)

var update = flag.Bool("update", false, "write the golden bodies of this version")

func goldenCommands() (origin, []handover) {
	first := handover{seq: 1 << 40, cmd: commit(1<<50, txn.AT, "jdbc:mysql://db/x")}
	saga := handover{seq: 2, cmd: txn.Command{
		XID: txn.XID{Prefix: "[::1]:8091", ID: 9}, BranchID: txn.SagaBranchID, Kind: txn.Saga, Op: txn.Rollback,
		Cause: txn.CauseTimeout, Resource: "orders#group", Attempt: 1,
	}}
	return origin{"node-1", 0x0123456789abcdef}, []handover{first, saga}
}

func goldenEndings() []ending {
	return []ending{
		{instance: 0xfedcba9876543210, seq: 300, id: 1 << 50, reply: txn.Reply{
			BranchID: 8, Op: txn.Commit, Attempt: 3, Result: txn.ResultDone,
		}},
		{instance: 1, seq: 2, id: 9, reply: txn.Reply{
			BranchID: txn.SagaBranchID, Op: txn.Rollback, Attempt: 1, Result: txn.ResultXANotFound, Text: "XAER_NOTA \xff",
			Engine: txn.EngineForward,
		}},
	}
}

func goldenVerdicts() []verdict {
	return []verdict{{code: accepted}, {nobody, "no session"}, {refused, "busy"}}
}

// golden compares a body with the recorded one.
func golden(t *testing.T, name string, body []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(hex.Dump(body)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), hex.Dump(body)); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
	return body
}

// undump reads what hex.Dump wrote.
func undump(t *testing.T, text []byte) (body []byte) {
	t.Helper()
	for line := range strings.Lines(string(text)) {
		digits, _, _ := strings.Cut(line[8:], "|")
		raw, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatal(err)
		}
		body = append(body, raw...)
	}
	return body
}

func TestBodiesAreAsRecorded(t *testing.T) {
	t.Parallel()
	from, batch := goldenCommands()
	gotFrom, got, err := decodeCommands(golden(t, "commands.v1", appendCommands(nil, from, batch)))
	if diff := cmp.Diff(batch, got, cmp.AllowUnexported(handover{})); diff != "" || gotFrom != from || err != nil {
		t.Errorf("%+v, %v, %s", gotFrom, err, diff)
	}
	node, ends, err := decodeEndings(golden(t, "replies.v1", appendEndings(nil, "node-2", goldenEndings())))
	diff := cmp.Diff(goldenEndings(), ends, cmp.AllowUnexported(ending{}))
	if diff != "" || node != "node-2" || err != nil {
		t.Errorf("%s, %v, %s", node, err, diff)
	}
	old, err := os.ReadFile(filepath.Join("testdata", "replies.old")) // before engines were told of
	if err != nil {
		t.Fatal(err)
	}
	ends = goldenEndings()
	for i := range ends {
		ends[i].reply.Engine = 0
	}
	_, gotEnds, err := decodeEndings(undump(t, old))
	if diff := cmp.Diff(ends, gotEnds, cmp.AllowUnexported(ending{})); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	verdicts, err := decodeVerdicts(golden(t, "verdicts.v1", appendVerdicts(nil, goldenVerdicts())), 3)
	if diff := cmp.Diff(goldenVerdicts(), verdicts, cmp.AllowUnexported(verdict{})); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
}

// tail is a field that a newer version adds to a record.
func tail(dst []byte) []byte { return appendString(dst, "a field of a newer version") }

// TestFieldsOfNewerVersionsAreSkipped reads bodies as a later version of the same layout would write them.
func TestFieldsOfNewerVersionsAreSkipped(t *testing.T) {
	t.Parallel()
	from, batch := goldenCommands()
	body := []byte{wireVersion}
	body = appendRecord(body, func(dst []byte) []byte {
		return tail(append(appendString(dst, from.node), 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01))
	})
	body = append(body, byte(len(batch)))
	for i := range batch {
		body = appendRecord(body, func(dst []byte) []byte { return tail(batch[i].append(dst)) })
	}
	gotFrom, got, err := decodeCommands(golden(t, "commands.newer", body))
	if diff := cmp.Diff(batch, got, cmp.AllowUnexported(handover{})); diff != "" || gotFrom != from || err != nil {
		t.Errorf("%+v, %v, %s", gotFrom, err, diff)
	}
	body = []byte{wireVersion}
	body = appendRecord(body, func(dst []byte) []byte { return tail(appendString(dst, "node-2")) })
	ends := goldenEndings()
	body = append(body, byte(len(ends)))
	ends[0].reply.Result = txn.ResultXANotFound + 1
	for i := range ends {
		body = appendRecord(body, func(dst []byte) []byte { return tail(ends[i].append(dst)) })
	}
	_, gotEnds, err := decodeEndings(golden(t, "replies.newer", body))
	ends[0].reply.Result = txn.ResultFailed // an unknown result is tried again
	if diff := cmp.Diff(ends, gotEnds, cmp.AllowUnexported(ending{})); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	body = []byte{wireVersion, 1}
	body = appendRecord(body, func(dst []byte) []byte { return tail(appendString(append(dst, 200), "why")) })
	verdicts, err := decodeVerdicts(body, 1)
	if err != nil || verdicts[0] != (verdict{200, "why"}) {
		t.Errorf("%v, %v", verdicts, err)
	}
}

func TestOtherVersionsAndBrokenBodiesAreRefused(t *testing.T) {
	t.Parallel()
	from, batch := goldenCommands()
	good := appendCommands(nil, from, batch)
	newer := append([]byte{wireVersion + 1}, good[1:]...)
	if _, _, err := decodeCommands(newer); !errors.Is(err, errVersion) {
		t.Errorf("got %v", err)
	}
	for n := range good {
		if _, _, err := decodeCommands(good[:n]); !errors.Is(err, errMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(good), err)
		}
	}
	ends := appendEndings(nil, "node-2", goldenEndings())
	for n := range ends {
		if _, _, err := decodeEndings(ends[:n]); !errors.Is(err, errMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(ends), err)
		}
	}
	verdicts := appendVerdicts(nil, goldenVerdicts())
	for n := range verdicts {
		if _, err := decodeVerdicts(verdicts[:n], 3); !errors.Is(err, errMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(verdicts), err)
		}
	}
	if _, err := decodeVerdicts(verdicts, 2); err == nil {
		t.Error("verdicts for other commands were taken")
	}
	if _, _, err := decodeCommands(append(good, 0)); err == nil {
		t.Error("bytes after the end were taken")
	}
	for name, spoil := range map[string]func(*handover){
		"no decision":   func(h *handover) { h.cmd.Op = 0 },
		"odd decision":  func(h *handover) { h.cmd.Op = 3 },
		"no id":         func(h *handover) { h.cmd.XID.ID = 0 },
		"a negative id": func(h *handover) { h.cmd.XID.ID = -1 },
	} {
		h := batch[0]
		spoil(&h)
		if _, _, err := decodeCommands(appendCommands(nil, from, []handover{h})); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, _, err := decodeCommands(appendCommands(nil, origin{}, batch)); err == nil {
		t.Error("a nameless origin was taken")
	}
	many := appendRecord([]byte{wireVersion}, func(dst []byte) []byte { return appendString(dst, "n") })
	many = append(append(many, 0x81, 0x80, 0x04), make([]byte, recordsMax+1)...) // recordsMax + 1
	if _, _, err := decodeEndings(many); err == nil {
		t.Error("too many records were taken")
	}
}

func TestBodiesSurvive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })
		h := handover{seq: rapid.Uint64().Draw(t, "seq"), cmd: txn.Command{
			XID:      txn.XID{Prefix: text.Draw(t, "prefix"), ID: rapid.Int64Min(1).Draw(t, "id")},
			BranchID: rapid.Int64().Draw(t, "branch"), Kind: txn.Kind(rapid.Byte().Draw(t, "kind")),
			Op: rapid.SampledFrom([]txn.Outcome{txn.Commit, txn.Rollback}).Draw(t, "op"), Resource: text.Draw(t, "r"),
			Client: text.Draw(t, "client"), Data: text.Draw(t, "data"), Attempt: rapid.Uint32().Draw(t, "attempt"),
			Application: text.Draw(t, "application"), Group: text.Draw(t, "group"), Trace: text.Draw(t, "trace"),
			Cause: txn.Cause(rapid.Byte().Draw(t, "cause")),
		}}
		body := appendCommands(nil, origin{"n", 7}, []handover{h})
		if len(body) > h.size()+64 {
			t.Fatalf("%d bytes, at most %d expected", len(body), h.size())
		}
		_, got, err := decodeCommands(body)
		if err != nil || len(got) != 1 || got[0] != h {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	from, batch := goldenCommands()
	f.Add(appendCommands(nil, from, batch))
	f.Add(appendEndings(nil, "node-2", goldenEndings()))
	f.Add(appendVerdicts(nil, goldenVerdicts()))
	f.Add([]byte{wireVersion, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte(strings.Repeat("\x01", 100)))
	f.Fuzz(func(t *testing.T, body []byte) {
		if from, batch, err := decodeCommands(body); err == nil {
			again, same, err := decodeCommands(appendCommands(nil, from, batch))
			if err != nil || again != from || len(same) != len(batch) {
				t.Fatal("what was read cannot be written")
			}
		}
		if node, batch, err := decodeEndings(body); err == nil {
			_, same, err := decodeEndings(appendEndings(nil, node, batch))
			if err != nil || len(same) != len(batch) {
				t.Fatal("what was read cannot be written")
			}
		}
		for n := range 4 {
			if verdicts, err := decodeVerdicts(body, n); err == nil {
				same, err := decodeVerdicts(appendVerdicts(nil, verdicts), n)
				if err != nil || len(same) != n || !slices.Equal(same, verdicts) {
					t.Fatal("what was read cannot be written")
				}
			}
		}
	})
}
