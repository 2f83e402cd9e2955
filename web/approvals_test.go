package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
	"github.com/concord-tx/concord/web/journal"
)

// pair is a server on which some things need two people, with two resolvers.
type pair struct {
	*guardedRig
	events   *fakeEvents
	ann, bob string
	t        *testing.T
}

func newPair(t *testing.T, operations ...string) *pair {
	t.Helper()
	p := &pair{events: newFakeEvents(9)}
	p.guardedRig = guarded(t, func(o *Options) {
		o.FourEyes, o.Events, o.BodyBytesMax, o.NoticeTopic = operations, p.events, 1<<16, "concord-heuristic"
	})
	p.ann = p.token(t, access.NewKey{Name: "ann", Roles: []string{"resolver"}})
	p.bob = p.token(t, access.NewKey{Name: "bob", Roles: []string{"admin"}})
	p.rollingBack(t, 100)
	return p
}

// rollingBack adds a transaction whose rollback is not done.
func (p *pair) rollingBack(t *testing.T, id int64) {
	t.Helper()
	p.begin(t, id)
	p.apply(id, txn.Decide{Outcome: txn.Rollback, Cause: txn.CauseRequested}, func(*txn.Global, error) {})
}

// send asks as somebody.
func (p *pair) send(t *testing.T, who, method, path, body string) (int, map[string]any) {
	t.Helper()
	status, got, _ := p.do(t, method, v1+path, body, "Authorization", who)
	return status, got
}

// skip asks for the skip of the transaction's TCC branch, and returns the answer.
func (p *pair) skip(t *testing.T, who string) (int, map[string]any) {
	t.Helper()
	status, plan := p.send(t, who, "POST", "/transactions/100/plan", `{"action":"skip","branch":"102"}`)
	if status != 200 {
		t.Fatalf("%d %v", status, plan)
	}
	return p.send(t, who, "POST", "/transactions/100/operations",
		fmt.Sprintf(`{"action":"skip","branch":"102","digest":%q,"reason":"ticket 9"}`, plan["digest"]))
}

// waiting returns the approval that an answer tells of.
func waiting(t *testing.T, status int, got map[string]any) (id, digest string) {
	t.Helper()
	a, ok := got["approval"].(map[string]any)
	if status != http.StatusAccepted || !ok || a["state"] != "pending" {
		t.Fatalf("%d %v", status, got)
	}
	return a["id"].(string), a["digest"].(string)
}

func answerOf(digest string) string { return fmt.Sprintf(`{"digest":%q,"reason":"looked"}`, digest) }

func (p *pair) branch(id int64) txn.BranchState {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, _ := p.all[100].Branch(id)
	return b.State
}

func TestASkipNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	p := newPair(t, FourEyesSkip)
	before := p.branch(102)
	status, got := p.skip(t, p.ann)
	id, digest := waiting(t, status, got)
	if p.branch(102) != before {
		t.Fatal("it is done already")
	}
	if status, got := p.send(t, p.ann, "POST", "/approvals/"+id+"/approve", answerOf(digest)); status != 403 ||
		got["code"] != "approvalOwn" {
		t.Errorf("approved by who asked: %d %v", status, got)
	}
	_, list := p.send(t, p.bob, "GET", "/approvals?state=pending", "")
	if len(list["items"].([]any)) != 1 {
		t.Errorf("%v", list)
	}
	status, got = p.send(t, p.bob, "POST", "/approvals/"+id+"/approve", answerOf(digest))
	if status != 200 || got["state"] != "done" || got["asker"] != "key ann" || got["answerer"] != "key bob" {
		t.Fatalf("%d %v", status, got)
	}
	if p.branch(102) == before || p.actor != "key ann, approved by key bob: ticket 9" {
		t.Errorf("it is not done: %v by %q", p.branch(102), p.actor)
	}
	if status, got := p.send(t, p.bob, "GET", "/approvals/"+id, ""); status != 200 || got["state"] != "done" {
		t.Errorf("%d %v", status, got)
	}
	page, err := p.journal.List(t.Context(), journal.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range slices.Backward(page.Items) {
		told = append(told, fmt.Sprint(e.Action, " ", e.Name, " ", e.Phase, " ", e.Status, " ", e.Why))
		if e.Action == "approval.approve" && e.Status == 200 && (!strings.Contains(string(e.After), `"asker":"key ann"`) ||
			!strings.Contains(string(e.After), "ticket 9") || e.Target != "10.0.0.5:8091:100") {
			t.Errorf("%s: %s", e.Target, e.After)
		}
	}
	for _, want := range []string{
		"transaction.operate ann intent 0 ticket 9", "transaction.operate ann outcome 202 ticket 9",
		"approval.approve bob intent 0 looked", "approval.approve bob outcome 200 looked",
		"approval.approve ann outcome 403 looked",
	} {
		if !slices.Contains(told, want) {
			t.Errorf("the journal does not say %q:\n%s", want, strings.Join(told, "\n"))
		}
	}
}

// TestApprovalsThatDoNotCount: whatever is wrong with an approval, nothing is done.
func TestApprovalsThatDoNotCount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(t *testing.T, p *pair, path string)
		who    func(p *pair) string
		digest string
		status int
		code   string
		state  string
	}{
		"by nobody": {who: func(*pair) string { return "" }, status: 401, code: "notSignedIn", state: "pending"},
		"by an operator": {
			who:    func(p *pair) string { return p.withRoles(p.t, "operator") },
			status: 403, code: "roleMissing", state: "pending",
		},
		"by who is restricted": {
			who: func(p *pair) string {
				return p.token(p.t, access.NewKey{Roles: []string{"resolver"}, Applications: []string{"other"}})
			},
			status: 403, code: "applicationNotAllowed", state: "pending",
		},
		"of another plan": {digest: "x", status: 412, code: "planChanged", state: "pending"},
		"too late": {
			before: func(_ *testing.T, p *pair, _ string) { p.advance(approvalWaits) },
			status: 409, code: "approvalStateInvalid", state: "expired",
		},
		"after the key of who asked was revoked": {
			before: func(t *testing.T, p *pair, _ string) {
				id := strings.Split(strings.TrimPrefix(p.ann, "Bearer "), "_")[1]
				if status, got := p.send(t, p.bob, "DELETE", "/keys/"+id, `{"reason":"left"}`); status != 200 {
					t.Errorf("%d %v", status, got)
				}
			},
			status: 409, code: "approvalAskerGone", state: "pending",
		},
		"after a rejection": {
			before: func(t *testing.T, p *pair, path string) {
				if status, got := p.send(t, p.bob, "POST", path+"/reject", `{"reason":"no"}`); status != 200 {
					t.Errorf("%d %v", status, got)
				}
			},
			status: 409, code: "approvalStateInvalid", state: "rejected",
		},
		"after it was taken back": {
			before: func(t *testing.T, p *pair, path string) {
				if status, got := p.send(t, p.ann, "POST", path+"/reject", `{"reason":"wrong one"}`); status != 200 {
					t.Errorf("%d %v", status, got)
				}
			},
			status: 409, code: "approvalStateInvalid", state: "rejected",
		},
		"after the transaction has moved on": {
			before: func(_ *testing.T, p *pair, _ string) {
				p.apply(100, txn.Reply{BranchID: 101, Op: txn.Rollback, Attempt: 1, Result: txn.ResultDone},
					func(*txn.Global, error) {})
			},
			status: 412, code: "planChanged", state: "failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, FourEyesSkip)
			p.t = t
			status, got := p.skip(t, p.ann)
			id, digest := waiting(t, status, got)
			path := "/approvals/" + id
			if c.before != nil {
				c.before(t, p, path)
			}
			before, who := p.branch(102), p.bob
			if c.who != nil {
				who = c.who(p)
			}
			if c.digest != "" {
				digest = c.digest
			}
			status, got = p.send(t, who, "POST", path+"/approve", answerOf(digest))
			if status != c.status || got["code"] != c.code {
				t.Errorf("%d %v", status, got)
			}
			if p.branch(102) != before {
				t.Error("it is done all the same")
			}
			if _, got = p.send(t, p.bob, "GET", path, ""); got["state"] != c.state {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestOfTwoApprovalsAtOnceOneCounts: and it is carried out once.
func TestOfTwoApprovalsAtOnceOneCounts(t *testing.T) {
	t.Parallel()
	p := newPair(t, FourEyesSkip)
	status, got := p.skip(t, p.ann)
	id, digest := waiting(t, status, got)
	const people = 8
	tokens := make([]string, people)
	for i := range tokens {
		tokens[i] = p.token(t, access.NewKey{Name: fmt.Sprint("r", i), Roles: []string{"resolver"}})
	}
	statuses := make([]int, people)
	var group sync.WaitGroup
	for i := range people {
		group.Go(func() {
			verb := []string{"/approve", "/reject"}[i%2]
			statuses[i], _, _ = p.do(t, "POST", v1+"/approvals/"+id+verb, answerOf(digest), "Authorization", tokens[i])
		})
	}
	group.Wait()
	won := 0
	for i, status := range statuses {
		switch status {
		case 200:
			won++
		case 409:
		default:
			t.Errorf("%d: %d", i, status)
		}
	}
	_, got = p.send(t, p.bob, "GET", "/approvals/"+id, "")
	skipped := p.branch(102) == txn.Skipped
	if won != 1 || skipped != (got["state"] == "done") {
		t.Errorf("%d answers counted, skipped: %v, %v", won, skipped, got)
	}
}

func TestAnApprovalWhoseEndIsNotKnownIsInterrupted(t *testing.T) {
	t.Parallel()
	p := newPair(t, FourEyesSkip)
	status, got := p.skip(t, p.ann)
	id, digest := waiting(t, status, got)
	p.documents.Spoil(approvalKind, id, func(raw []byte) []byte {
		return []byte(strings.Replace(string(raw), `"state":"pending"`,
			`"state":"approved","answeredAt":"2023-11-14T22:13:20Z"`, 1))
	})
	if _, got = p.send(t, p.bob, "GET", "/approvals/"+id, ""); got["state"] != "approved" {
		t.Errorf("%v", got)
	}
	p.advance(approvalLate + time.Second)
	if _, got = p.send(t, p.bob, "GET", "/approvals/"+id, ""); got["state"] != "interrupted" {
		t.Errorf("%v", got)
	}
	if status, got := p.send(t, p.bob, "POST", "/approvals/"+id+"/approve", answerOf(digest)); status != 409 {
		t.Errorf("%d %v", status, got)
	}
}

// advance moves both clocks on.
func (p *pair) advance(by time.Duration) {
	p.clock.Advance(txn.Millis(by.Milliseconds()))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now += txn.Millis(by.Milliseconds())
}

func TestAJobThatReleasesRowsNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	p := newPair(t, FourEyesRelease)
	p.rollingBack(t, 200)
	_, job := p.send(t, p.ann, "POST", "/jobs", `{"action":"release","filter":{"live":true},"ratePerSecond":5000}`)
	path := "/jobs/" + fmt.Sprint(job["id"])
	status, got := p.send(t, p.ann, "POST", path+"/start", answerOf(fmt.Sprint(job["digest"])))
	id, digest := waiting(t, status, got)
	if _, job = p.send(t, p.ann, "GET", path, ""); job["state"] != "planned" {
		t.Fatalf("%v", job)
	}
	p.advance(plannedFor + time.Minute) // its approval has a time of its own
	if status, got = p.send(t, p.bob, "POST", "/approvals/"+id+"/approve", answerOf(digest)); status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	eventually(t, "the job is done", func() bool {
		_, job = p.send(t, p.bob, "GET", path, "")
		return job["state"] == "done"
	})
	if job["done"] != 2.0 || job["approvedBy"] != "key bob" || job["actor"] != "key ann, approved by key bob" {
		t.Errorf("%v", job)
	}
	status, got = p.send(t, p.ann, "POST", path+"/start", answerOf(digest))
	if status != 409 || got["code"] != "jobStateInvalid" {
		t.Errorf("%d %v", status, got)
	}
}

func TestDiscardingNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	for path, done := range map[string]string{
		"/events/groups/mail/deadletters/5": "discard mail 5", "/events/groups/mail": "remove mail",
	} {
		p := newPair(t, FourEyesDiscard)
		p.events.groups["mail"] = []string{"orders"}
		if status, got := p.send(t, p.ann, "DELETE", path, ""); status != 400 {
			t.Errorf("%s without a reason: %d %v", path, status, got)
		}
		status, got := p.send(t, p.ann, "DELETE", path, `{"reason":"test data"}`)
		id, digest := waiting(t, status, got)
		if asked := p.events.took(); slices.Contains(asked, done) {
			t.Fatalf("%s: it is done already: %v", path, asked)
		}
		status, got = p.send(t, p.bob, "POST", "/approvals/"+id+"/approve", answerOf(digest))
		if asked := p.events.took(); !slices.Contains(asked, done) {
			t.Errorf("%s: %d %v %v", path, status, got, asked)
		}
	}
	p := newPair(t, FourEyesDiscard)
	p.events.groups["mail"] = nil
	for _, path := range []string{"/events/groups/mail/deadletters/777", "/events/groups/none"} {
		if status, got := p.send(t, p.ann, "DELETE", path, `{"reason":"x"}`); status != 404 {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	_, got := p.send(t, p.ann, "DELETE", "/events/groups/mail", `{"reason":"x"}`)
	id, digest := waiting(t, 202, got)
	p.events.groups["mail"] = []string{"something else"}
	status, got := p.send(t, p.bob, "POST", "/approvals/"+id+"/approve", answerOf(digest))
	if status != 412 || slices.Contains(p.events.took(), "remove mail") {
		t.Errorf("it has moved on: %d %v", status, got)
	}
}

// TestWithoutTheSettingOnePersonIsEnough: and only what is named needs two.
func TestWithoutTheSettingOnePersonIsEnough(t *testing.T) {
	t.Parallel()
	for _, operations := range [][]string{nil, {FourEyesRelease, FourEyesDiscard}} {
		p := newPair(t, operations...)
		if status, got := p.skip(t, p.ann); status != 200 || p.branch(102) != txn.Skipped {
			t.Errorf("%v: %d %v", operations, status, got)
		}
	}
}
