package txn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseXID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, prefix string
		id           int64
		ok           bool
	}{
		{"10.0.0.1:8091:42", "10.0.0.1:8091", 42, true},
		{"[::1]:8091:9223372036854775807", "[::1]:8091", 9223372036854775807, true},
		{"fe80::1:8091:7", "fe80::1:8091", 7, true},
		{":5", "", 5, true},
		{"42", "", 0, false},
		{"", "", 0, false},
		{"host:8091:", "", 0, false},
		{"host:8091:0", "", 0, false},
		{"host:8091:-4", "", 0, false},
		{"host:8091:+4", "", 0, false},
		{"host:8091:9223372036854775808", "", 0, false},
		{"host:8091:12x", "", 0, false},
	} {
		x, ok := ParseXID(c.text)
		if ok != c.ok || x.ID != c.id || x.Prefix != c.prefix {
			t.Errorf("ParseXID(%q) = %v %v", c.text, x, ok)
		}
		if ok && x.String() != c.text {
			t.Errorf("%q comes back as %q", c.text, x)
		}
	}
}

func TestEachLockSplitsAsSeataDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key  string
		want []string
	}{
		{"", nil},
		{"t:1", []string{"t|1"}},
		{"t:1,2;u:a_b", []string{"t|1", "t|2", "u|a_b"}},
		{"t:1;", []string{"t|1"}},
		{"t:;u:1", []string{"u|1"}},
		{"t:,,1", []string{"t|1"}},
		{"t:12:30", []string{"t|12:30"}},
		{"t:a;b", []string{"t|a", "|b"}},
		{";;", nil},
	} {
		var got []string
		EachLock(c.key, func(table, pk string) bool { got = append(got, table+"|"+pk); return true })
		if !slices.Equal(got, c.want) {
			t.Errorf("%q gives %q, want %q", c.key, got, c.want)
		}
		if n := LockCount(c.key); n != len(c.want) {
			t.Errorf("LockCount(%q) = %d", c.key, n)
		}
	}
	n := 0
	EachLock("t:1,2,3", func(string, string) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("went on after false: %d rows", n)
	}
}

func FuzzEachLock(f *testing.F) {
	for _, seed := range []string{"", "t:1,2;u:a_b", ":::;;,,", "t:" + strings.Repeat("1,", 100), "\x00:\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		rows := 0
		EachLock(key, func(table, pk string) bool {
			if pk == "" || strings.ContainsAny(pk, ",;") || strings.ContainsAny(table, ":;") {
				t.Fatalf("row %q|%q of %q", table, pk, key)
			}
			rows++
			return true
		})
		if rows > len(key) {
			t.Fatalf("%d rows in %d bytes", rows, len(key))
		}
	})
}

func TestRetryDelayGrowsToItsCapWithJitter(t *testing.T) {
	t.Parallel()
	p := DefaultRetryPolicy()
	for attempt := uint32(1); attempt < p.Attempts; attempt++ {
		nominal := p.Max
		if attempt < 7 {
			nominal = min(p.First<<(attempt-1), p.Max)
		}
		d := p.delay(&Branch{ID: 77, Attempts: attempt}, ResultFailed)
		if d < nominal*8/10 || d > nominal*12/10 {
			t.Fatalf("attempt %d waits %v, want %v ± 20 %%", attempt, d, nominal)
		}
		if d != p.delay(&Branch{ID: 77, Attempts: attempt}, ResultFailed) {
			t.Fatal("the delay is not a function of its arguments")
		}
	}
	if d := p.delay(&Branch{ID: 77, Attempts: p.Attempts}, ResultFailed); d < p.SlowDelay*8/10 {
		t.Errorf("after the budget it waits %v", d)
	}
	if d := p.delay(&Branch{ID: 77, Attempts: 3}, ResultUnreachable); d > p.Unreachable*12/10 {
		t.Errorf("nobody there: waits %v", d)
	}
	least, most := time.Hour, time.Duration(0)
	for i := range int64(1000) {
		call := &Call{First: time.Second, Max: time.Minute, Jitter: 100}
		d := p.delay(&Branch{ID: i, Attempts: 1, Call: call}, ResultFailed)
		least, most = min(least, d), max(most, d)
	}
	if least < time.Second/2 || least > 520*time.Millisecond || most > 3*time.Second/2 || most < 1480*time.Millisecond {
		t.Errorf("with a jitter of its own it waits %v to %v", least, most)
	}
	var sum float64
	for i := range 1000 {
		sum += jitter(int64(i), 1)
	}
	if sum < 450 || sum > 550 {
		t.Errorf("jitter is not even: mean %v", sum/1000)
	}
}

// TestEncodingKeepsEverything draws records of any content.
func TestEncodingKeepsEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 40, 200)
		millis := rapid.Custom(func(t *rapid.T) Millis { return Millis(rapid.Int64().Draw(t, "ms")) })
		g := &Global{
			XID:     XID{Prefix: text.Draw(t, "prefix"), ID: rapid.Int64Min(1).Draw(t, "id")},
			Version: rapid.Uint64().Draw(t, "version"), Application: text.Draw(t, "app"), Group: text.Draw(t, "group"),
			Name: text.Draw(t, "name"), Trace: rapid.SampledFrom([]string{"", "00-1-2-01"}).Draw(t, "trace"),
			BeganAt: millis.Draw(t, "began"), DecidedAt: millis.Draw(t, "decided"),
			EndedAt: millis.Draw(t, "ended"), Timeout: time.Duration(rapid.Int64().Draw(t, "timeout")),
			Status: Status(rapid.Byte().Draw(t, "status")), Cause: Cause(rapid.Byte().Draw(t, "cause")),
			Stuck: Stuck(rapid.Byte().Draw(t, "stuck")), DueAt: millis.Draw(t, "due"),
			History: History("").with(5, HistoryBegan, 0, text.Draw(t, "history"), timing{}),
		}
		for range rapid.IntRange(0, 3).Draw(t, "branches") {
			g.Branches = append(g.Branches, &Branch{
				ID: rapid.Int64().Draw(t, "branch"), Kind: Kind(rapid.Byte().Draw(t, "kind")),
				State: BranchState(rapid.Byte().Draw(t, "state")), Resource: text.Draw(t, "resource"),
				Client: text.Draw(t, "client"), LockKey: text.Draw(t, "lock"), Data: text.Draw(t, "data"),
				RegisteredAt: millis.Draw(t, "registered"), Attempts: rapid.Uint32().Draw(t, "attempts"),
				InFlightUntil: millis.Draw(t, "flight"), NextAt: millis.Draw(t, "next"),
				Failure: text.Draw(t, "failure"), Released: rapid.Bool().Draw(t, "released"),
				Ack: Ack(rapid.IntRange(0, 2).Draw(t, "ack")),
			})
		}
		got, err := recode(g)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(g, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	g := &Global{XID: XID{Prefix: "h:1", ID: 3}, Status: Active, Name: "n"}
	g.History = g.History.with(1, HistoryBegan, 0, "x", timing{})
	f.Add(AppendBranch(AppendGlobal(nil, g), &Branch{ID: 4, Kind: AT, State: Registered, LockKey: "t:1"}))
	g.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	f.Add(AppendBranch(AppendGlobal(nil, g), &Branch{ID: 5, Kind: Topic, State: Registered, Ack: AckReport}))
	f.Add([]byte{encodingVersion1})
	f.Add([]byte{encodingVersion2})
	f.Fuzz(func(t *testing.T, src []byte) {
		g, rest, err := DecodeGlobal(src, nil)
		if err != nil {
			return
		}
		g.History.Entries()
		for err == nil && len(rest) > 0 {
			_, rest, err = DecodeBranch(rest, nil)
		}
	})
}

// TestOldStatesStayAsTheyAre applies random events and looks whether a state that was handed out ever changes.
func TestOldStatesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules := DefaultRules()
		now := Millis(1000)
		eff, _ := rules.Apply(nil, Begin{XID: XID{ID: 1}, Timeout: time.Minute}, now)
		states := []*Global{eff.Next}
		prints := []string{print(eff.Next)}
		id := int64(10)
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			g := states[len(states)-1]
			now += Millis(rapid.IntRange(0, 5000).Draw(t, "wait"))
			id++
			eff, err := rules.Apply(g, drawEvent(t, g, id), now)
			if err == nil && eff.Next != nil {
				states = append(states, eff.Next)
				prints = append(prints, print(eff.Next))
				check(t, g, eff)
			}
		}
		for i, g := range states {
			if print(g) != prints[i] {
				t.Fatalf("state %d of %d was changed afterwards:\n%s\n%s", i, len(states), prints[i], print(g))
			}
		}
	})
}

func drawEvent(t *rapid.T, g *Global, id int64) Event {
	pick := func() int64 {
		if len(g.Branches) == 0 {
			return 0
		}
		return g.Branches[rapid.IntRange(0, len(g.Branches)-1).Draw(t, "which")].ID
	}
	switch rapid.IntRange(0, 9).Draw(t, "event") {
	case 0, 1, 2:
		kind := Kind(rapid.IntRange(1, 6).Draw(t, "kind"))
		r := Register{BranchID: id, Kind: kind, Resource: "r", LockKey: "t:" + string(rune('a'+id%26))}
		if kind == Topic {
			r.LockKey, r.Ack = "", Ack(rapid.IntRange(0, 2).Draw(t, "ack"))
		}
		return r
	case 3:
		return Report{BranchID: pick(), State: BranchState(rapid.IntRange(1, 4).Draw(t, "state"))}
	case 4:
		return Decide{Outcome: Outcome(rapid.IntRange(1, 2).Draw(t, "outcome")), Cause: CauseRequested}
	case 5, 6:
		return Wake{}
	case 7:
		return Retry{Actor: "x"}
	}
	b, _ := g.Branch(pick())
	r := Reply{Op: g.Status.Outcome(), Result: Result(rapid.IntRange(1, 7).Draw(t, "result"))}
	if b != nil {
		r.BranchID, r.Attempt = b.ID, b.Attempts
	}
	return r
}

// check states what no single step may break.
func check(t *rapid.T, before *Global, eff Effects) {
	after := eff.Next
	legal := map[Status][]Status{
		Active: {Active, Committing, RollingBack, Committed, RolledBack}, Committing: {Committing, Committed},
		RollingBack: {RollingBack, RolledBack},
	}
	if !slices.Contains(legal[before.Status], after.Status) {
		t.Fatalf("%s became %s", before.Status, after.Status)
	}
	if eff.Decided != (before.Status == Active && after.Status != Active) {
		t.Fatalf("decided is %v from %s to %s", eff.Decided, before.Status, after.Status)
	}
	if eff.Ended != after.Status.Ended() {
		t.Fatalf("ended is %v in %s", eff.Ended, after.Status)
	}
	if len(eff.Release) > 0 && eff.Write < WriteLazy {
		t.Fatal("rows were released without a write")
	}
	if after.Status.Ended() {
		for _, b := range after.Branches {
			if b.LockKey != "" && !b.Released || b.NeedsPhaseTwo() {
				t.Fatalf("ended with branch %+v", b)
			}
		}
		return
	}
	if after.Status.Decided() && after.DueAt == 0 && after.Stuck == 0 {
		t.Fatalf("nobody would look at it again: %+v", after)
	}
	for _, c := range eff.Commands {
		if c.Op != after.Status.Outcome() {
			t.Fatalf("command %v in %s", c.Op, after.Status)
		}
		if c.Kind == Topic && (c.Op != Commit || c.Ack == 0) {
			t.Fatalf("message %+v in %s", c, after.Status)
		}
	}
	for i, b := range after.Branches {
		// A participant may report before its message is out; then it has refused, or another attempt is planned.
		unsent := b.Kind == Topic && b.State == Registered && b.Attempts+uint32(b.NextAt) == 0 && i < len(before.Branches)
		if (b.Kind == Topic) != (b.Ack != 0) || b.State == Published && b.Ack != AckReport ||
			unsent && after.Status == RollingBack {
			t.Fatalf("branch %+v in %s", b, after.Status)
		}
		if unsent && before.Status == Committing && len(eff.Commands) > 0 {
			t.Fatalf("message %d was held up by others", b.ID)
		}
	}
}

func print(g *Global) string {
	buf := AppendGlobal(nil, g)
	for _, b := range g.Branches {
		buf = AppendBranch(buf, b)
	}
	return string(buf)
}
