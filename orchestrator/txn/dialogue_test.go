package txn

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestDialogues runs testdata/*: each file is a story of one transaction. A command is an event; what follows the
// dashes is all that came of it. Rewrite with -rewrite and read the difference.
func TestDialogues(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &story{rules: DefaultRules(), now: 1_000_000}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.tell(t, d)
		})
	})
}

// story is the state of one dialogue.
type story struct {
	rules Rules
	now   Millis
	g     *Global
}

func (s *story) tell(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	switch d.Cmd {
	case "rules":
		return s.setRules(t, d)
	case "plan":
		return s.plan(t, d)
	case "wait":
		wait, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.now = s.now.Add(wait)
		return ""
	case "show":
		return show(s.g, s.now)
	case "history":
		return s.history()
	case "reload": // as after a crash: only what is encoded survives
		g, err := recode(s.g)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.g = g
		return show(s.g, s.now)
	}
	eff, err := s.rules.Apply(s.g, s.event(t, d), s.now)
	if err != nil {
		return "refused: " + err.Error() + "\n"
	}
	before := s.g
	if eff.Next != nil {
		s.g = eff.Next
		if eff.Write == WriteDurable || eff.Write == WriteLazy {
			s.g.Version++
		}
	}
	return describe(before, eff, s.now)
}

func (s *story) setRules(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	for _, arg := range d.CmdArgs {
		n, err := strconv.Atoi(arg.Vals[0])
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		switch arg.Key {
		case "reports":
			s.rules.Retry.Reports = uint32(n)
		case "attempts":
			s.rules.Retry.Attempts = uint32(n)
		case "branches":
			s.rules.BranchesMax = n
		default:
			d.Fatalf(t, "unknown rule %s", arg.Key)
		}
	}
	return ""
}

func (s *story) event(t *testing.T, d *datadriven.TestData) Event {
	t.Helper()
	text := func(key string) string {
		for _, arg := range d.CmdArgs {
			if arg.Key == key {
				return strings.Join(arg.Vals, ",")
			}
		}
		return ""
	}
	number := func(key string, absent int64) int64 {
		v := absent
		if d.HasArg(key) {
			d.ScanArgs(t, key, &v)
		}
		return v
	}
	switch d.Cmd {
	case "begin":
		s.g = nil
		return Begin{
			XID: XID{Prefix: "tc:8091", ID: 7}, Application: "shop", Group: "g", Name: text("name"),
			Trace: text("trace"), Timeout: time.Duration(number("timeout", 60)) * time.Second,
		}
	case "register":
		return Register{
			BranchID: number("id", 0), Kind: kindOf(text("kind")), Resource: text("resource"), Client: "shop:ip:1",
			LockKey: text("lock"), Data: text("data"), Ack: ackOf(text("ack")), Key: text("key"), Call: callOf(text),
		}
	case "enlist":
		ev := Enlist{}
		for id := number("from", 0); id <= number("to", 0); id++ {
			ev.Branches = append(ev.Branches, Register{
				BranchID: id, Kind: HTTP, Resource: "http://p" + strconv.FormatInt(id, 10), Client: "shop:ip:1",
				Key: "k" + strconv.FormatInt(id, 10), Call: &Call{CommitURL: "http://p/commit"},
			})
		}
		return ev
	case "report":
		return Report{BranchID: number("id", 0), State: stateOf(text("state")), Data: text("data")}
	case "commit":
		return Decide{Outcome: Commit, Cause: CauseRequested, AllDone: d.HasArg("allDone")}
	case "rollback":
		cause := CauseRequested
		if text("actor") != "" {
			cause = CauseOperator
		}
		return Decide{Outcome: Rollback, Cause: cause, Actor: text("actor"), AllDone: d.HasArg("allDone")}
	case "wake":
		return Wake{}
	case "retry":
		return Retry{Actor: text("actor"), BranchID: number("id", 0)}
	case "skip":
		return Skip{BranchID: number("id", 0), Actor: text("actor"), Notice: noticeOf(number("notice", 0))}
	case "release":
		return Release{BranchID: number("id", 0), Actor: text("actor"), Notice: noticeOf(number("notice", 0))}
	case "reply":
		b, _ := s.g.Branch(number("id", 0))
		attempt := int64(1)
		if b != nil {
			attempt = int64(b.Attempts)
		}
		op := s.g.Status.Outcome()
		if b != nil && b.Kind == Check {
			op = 0
		}
		if text("op") == "rollback" {
			op = Rollback
		}
		return Reply{
			BranchID: number("id", 0), Op: op, Attempt: uint32(number("attempt", attempt)),
			Result: resultOf(text("result")), Text: text("text"), After: time.Duration(number("after", 0)) * time.Second,
		}
	}
	d.Fatalf(t, "unknown command %s", d.Cmd)
	return nil
}

func (s *story) plan(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	var b strings.Builder
	action, ok := ParseAction(d.CmdArgs[0].Key)
	if !ok {
		d.Fatalf(t, "unknown action")
	}
	op := Operation{Action: action}
	if d.HasArg("id") {
		d.ScanArgs(t, "id", &op.BranchID)
	}
	p, err := s.rules.Plan(s.g, op, s.now)
	if err != nil {
		return "refused: " + err.Error() + "\n"
	}
	fmt.Fprintf(&b, "%s to %s", p.Before, p.After)
	if p.Decides != 0 {
		fmt.Fprintf(&b, ", decides %s", p.Decides)
	}
	if p.Heuristic {
		b.WriteString(", heuristic")
	}
	b.WriteString("\n")
	for _, c := range p.Calls {
		fmt.Fprintf(&b, "%s %d %s %s %s\n", c.Op, c.BranchID, c.Kind, c.Resource, c.URL)
	}
	for _, f := range p.Frees {
		fmt.Fprintf(&b, "frees %d rows of %d, now %t\n", f.Rows, f.BranchID, f.Now)
	}
	for _, id := range p.Leaves {
		fmt.Fprintf(&b, "leaves %d\n", id)
	}
	return b.String()
}

func describe(before *Global, eff Effects, now Millis) string {
	var b strings.Builder
	if eff.Write == WriteNone {
		return "nothing\n"
	}
	if before == nil || before.Status != eff.Next.Status {
		fmt.Fprintf(&b, "status %s\n", eff.Next.Status)
	}
	fmt.Fprintf(&b, "write %s\n", [...]string{"none", "memory", "lazy", "durable"}[eff.Write])
	if eff.Acquire != nil {
		fmt.Fprintf(&b, "lock %s\n", eff.Acquire.LockKey)
	}
	for _, r := range eff.Release {
		fmt.Fprintf(&b, "unlock %s\n", r.LockKey)
	}
	if eff.Decided {
		fmt.Fprintf(&b, "decided %s (%s)\n", eff.Next.Status.Outcome(), eff.Next.Cause)
	}
	if eff.Ended {
		b.WriteString("ended\n")
	}
	for _, c := range eff.Commands {
		fmt.Fprintf(&b, "send %s to %s branch %d attempt %d", c.Op, c.Resource, c.BranchID, c.Attempt)
		if c.Data != "" {
			fmt.Fprintf(&b, " data %s", c.Data)
		}
		if c.Ack != 0 {
			fmt.Fprintf(&b, " ack %s", c.Ack)
		}
		if c.Trace != "" {
			fmt.Fprintf(&b, " trace %s", c.Trace)
		}
		b.WriteString("\n")
	}
	if eff.Next.Stuck != 0 && (before == nil || before.Stuck != eff.Next.Stuck) {
		fmt.Fprintf(&b, "stuck %s\n", eff.Next.Stuck)
	}
	if before != nil && before.DueAt != eff.Next.DueAt {
		fmt.Fprintf(&b, "due %s\n", ahead(eff.Next.DueAt, now))
	}
	return b.String()
}

func show(g *Global, now Millis) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s version %d", g.Status, g.Version)
	if g.Stuck != 0 {
		fmt.Fprintf(&b, " stuck %s", g.Stuck)
	}
	fmt.Fprintf(&b, " due %s\n", ahead(g.DueAt, now))
	for _, br := range g.Branches {
		fmt.Fprintf(&b, "  %d %s %s %s", br.ID, br.Kind, br.Resource, br.State)
		if br.Attempts > 0 {
			fmt.Fprintf(&b, " attempts %d", br.Attempts)
		}
		if br.Failure != "" {
			fmt.Fprintf(&b, " failure %q", br.Failure)
		}
		if br.Released {
			b.WriteString(" released")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (s *story) history() string {
	var b strings.Builder
	for _, e := range s.g.History.Entries() {
		fmt.Fprintf(&b, "%s %s", ahead(e.At, 1_000_000), e.Kind)
		if e.Branch != 0 {
			fmt.Fprintf(&b, " %d", e.Branch)
		}
		if e.Text != "" {
			fmt.Fprintf(&b, " (%s)", e.Text)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func ahead(at, now Millis) string {
	if at == 0 {
		return "never"
	}
	return fmt.Sprintf("%+dms", at-now)
}

// recode encodes and decodes.
func recode(g *Global) (*Global, error) {
	buf := AppendGlobal(nil, g)
	for _, b := range g.Branches {
		buf = AppendBranch(buf, b)
	}
	out, rest, err := DecodeGlobal(buf, nil)
	for err == nil && len(rest) > 0 {
		var b *Branch
		if b, rest, err = DecodeBranch(rest, nil); err == nil {
			out.Branches = append(out.Branches, b)
		}
	}
	return out, err
}

func kindOf(s string) Kind {
	for k := AT; k <= Check; k++ {
		if k.String() == s {
			return k
		}
	}
	return TCC
}

// callOf makes the call of a branch with URLs.
func callOf(text func(string) string) *Call {
	if text("commitURL") == "" && text("rollbackURL") == "" {
		return nil
	}
	timeout, _ := time.ParseDuration(text("callTimeout"))
	first, _ := time.ParseDuration(text("first"))
	attempts, _ := strconv.Atoi(text("attempts"))
	return &Call{
		CommitURL: text("commitURL"), RollbackURL: text("rollbackURL"), Timeout: timeout, First: first,
		Attempts: uint32(attempts),
	}
}

func noticeOf(id int64) Notice {
	if id == 0 {
		return Notice{}
	}
	return Notice{BranchID: id, Topic: "concord-heuristic", Data: "{}"}
}

func ackOf(s string) Ack {
	a, _ := ParseAck(s)
	return a
}

func stateOf(s string) BranchState {
	for st := Registered; st <= Skipped; st++ {
		if st.String() == s {
			return st
		}
	}
	return 0
}

func resultOf(s string) Result {
	switch s {
	case "done":
		return ResultDone
	case "refused":
		return ResultRefused
	case "unreachable":
		return ResultUnreachable
	case "noAnswer":
		return ResultNoAnswer
	case "published":
		return ResultPublished
	case "notFound":
		return ResultXANotFound
	case "ongoing":
		return ResultOngoing
	}
	return ResultFailed
}
