package txn

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// version1 is a record and a branch as the first release wrote them.
const version1 = "0102010203828080040d31302e302e302e313a383039310473686f700764656661756c74056f7264657282a0abfef962" +
	"eaa7abfef962008ac4acfef96280e0ba84bf03090182a0abfef96200000101020184808004146a6462633a6d7973716c" +
	"3a2f2f64622f73686f701273686f703a31302e302e302e393a3437313105743a312c32027b7dcaa1abfef96202008ac4" +
	"acfef96204646f776e"

func version1Global() *Global {
	return &Global{
		XID: XID{Prefix: "10.0.0.1:8091", ID: 4194305}, Version: 3, Application: "shop", Group: "default", Name: "order",
		BeganAt: 1_700_000_000_001, DecidedAt: 1_700_000_000_501, Timeout: time.Minute, Status: Committing,
		Cause: CauseRequested, Stuck: StuckRetriesUsedUp, DueAt: 1_700_000_010_501,
		History: History(nil).with(1_700_000_000_001, HistoryBegan, 0, "", timing{}),
		Branches: []*Branch{{
			ID: 4194306, Kind: AT, State: PhaseOneDone, Resource: "jdbc:mysql://db/shop", Client: "shop:10.0.0.9:4711",
			LockKey: "t:1,2", Data: "{}", RegisteredAt: 1_700_000_000_101, Attempts: 2, NextAt: 1_700_000_010_501,
			Failure: "down", Released: true,
		}},
	}
}

func TestFirstVersionStaysReadable(t *testing.T) {
	t.Parallel()
	src, err := hex.DecodeString(version1)
	if err != nil {
		t.Fatal(err)
	}
	g, rest, err := DecodeGlobal(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, rest, err := DecodeBranch(rest, nil)
	if err != nil || len(rest) != 0 {
		t.Fatalf("%v, %d bytes left", err, len(rest))
	}
	g.Branches = []*Branch{b}
	if diff := cmp.Diff(version1Global(), g); diff != "" {
		t.Error(diff)
	}
}

// TestOldNodesReadWhatTheyKnow: during a rolling upgrade the nodes of the version before read what new ones write.
func TestOldNodesReadWhatTheyKnow(t *testing.T) {
	t.Parallel()
	g := version1Global()
	if got := hex.EncodeToString(AppendBranch(AppendGlobal(nil, g), g.Branches[0])); got != version1 {
		t.Errorf("without the new fields the bytes are\n%s, not\n%s", got, version1)
	}
	g.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	g.Branches[0].Kind, g.Branches[0].Ack = Topic, AckReport
	got := AppendGlobal(nil, g)
	if got[0] != encodingVersion2 {
		t.Errorf("a record with a trace has version %d", got[0])
	}
	if got = AppendBranch(nil, g.Branches[0]); got[0] != encodingVersion2 {
		t.Errorf("a branch with an ack has version %d", got[0])
	}
	got[0] = encodingVersion2 + 1
	if _, _, err := DecodeBranch(got, nil); err == nil {
		t.Error("a version of the future was read")
	}
}

// TestAStepWithoutJitterIsWrittenAsBefore: what a node of the version before has stored stays readable, and it reads
// what new ones write unless there is a jitter.
func TestAStepWithoutJitterIsWrittenAsBefore(t *testing.T) {
	t.Parallel()
	b := &Branch{
		ID: 5, Kind: StepCall, Step: &Step{Name: "pay"},
		Call: &Call{CommitURL: "http://a/pay", Method: "PUT", First: time.Second, Attempts: 3},
	}
	before := AppendBranch(nil, b)
	b.Call.Jitter = 30
	after := AppendBranch(nil, b)
	if before[0] != encodingVersion4 || after[0] != encodingVersion5 ||
		string(after[1:]) != string(before[1:])+string([]byte{30}) {
		t.Errorf("%x\n%x", before, after)
	}
	for src, jitter := range map[string]uint8{string(before): 0, string(after): 30} {
		got, rest, err := DecodeBranch([]byte(src), nil)
		if err != nil || len(rest) != 0 || got.Call.Jitter != jitter || got.Step.Name != "pay" {
			t.Errorf("%+v %v", got, err)
		}
	}
}

// TestEncodingKeepsWhatTheHTTPAPINeeds: the fields of version 3, and that only they ask for it.
func TestEncodingKeepsWhatTheHTTPAPINeeds(t *testing.T) {
	t.Parallel()
	g := version1Global()
	g.Data, g.Heuristic = "{\"a\":1}", true
	g.Branches[0].Kind, g.Branches[0].Key, g.Branches[0].Ongoing = HTTP, "order-1", 3
	g.Branches[0].Call = &Call{
		CommitURL: "http://a/commit", RollbackURL: "http://a/rollback",
		Headers: []CallHeader{{"X-Tenant", "7"}, {"Accept", "a/b"}},
		Timeout: 3 * time.Second, First: time.Second, Max: time.Minute, Attempts: 9,
	}
	g.Branches = append(g.Branches, &Branch{ID: 5, Kind: Topic, State: Skipped})
	got, err := recode(g)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(g, got); diff != "" {
		t.Error(diff)
	}
	if src := AppendBranch(nil, g.Branches[1]); src[0] != encodingVersion1 {
		t.Errorf("a branch without new fields has version %d", src[0])
	}
	src := AppendBranch(nil, g.Branches[0])
	for n := range src {
		if _, _, err := DecodeBranch(src[:n], nil); err == nil {
			t.Fatalf("a record cut after %d bytes was read", n)
		}
	}
}
