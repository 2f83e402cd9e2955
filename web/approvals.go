package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// What cannot be taken back can be made to need two people. Whoever asks for such an operation gets an approval that
// waits for somebody else with the right to do the same, who approves the very plan that was asked for. Then it is
// carried out, once, if the plan is still the same. The stored approval changes from version to version, so that of two
// answers at once one counts.

const (
	approvalKind = "approval"
	// approvalWaits is how long somebody else has to come, approvalKept how long what became of it can be looked at.
	approvalWaits = time.Hour
	approvalKept  = 7 * 24 * time.Hour
	// approvalLate is after how long one that is being carried out counts as interrupted: longer than any takes.
	approvalLate = 2 * answerWait
)

// What [Options.FourEyes] may name. Discard is the end of dead letters, alone or with their consumer group.
const (
	FourEyesSkip    = "skip"
	FourEyesRelease = "release"
	FourEyesDiscard = "discard"
)

// FourEyesOperations lists what may need two people.
func FourEyesOperations() []string { return []string{FourEyesSkip, FourEyesRelease, FourEyesDiscard} }

// ApprovalState is where an approval stands.
type ApprovalState string

// The states of an approval. Expired and interrupted are never stored: nobody came, or the node ended while it carried
// the operation out, so that the transaction's history says what became of it.
const (
	ApprovalPending     ApprovalState = "pending"
	ApprovalApproved    ApprovalState = "approved"
	ApprovalDone        ApprovalState = "done"
	ApprovalFailed      ApprovalState = "failed"
	ApprovalRejected    ApprovalState = "rejected"
	ApprovalExpired     ApprovalState = "expired"
	ApprovalInterrupted ApprovalState = "interrupted"
)

// Approval is an operation that waits for a second person, as it looks and as it is stored.
type Approval struct {
	ID    string        `json:"id"`
	State ApprovalState `json:"state"`
	// Action is skip, release or discard.
	Action string `json:"action"`
	// XID and Branch say of what, or Job, or Group and perhaps Letter.
	XID    string `json:"xid,omitempty"`
	Branch string `json:"branch,omitempty"`
	// Result is what a step of a saga counts as having answered.
	Result string `json:"result,omitempty"`
	Job    string `json:"job,omitempty"`
	Group  string `json:"group,omitempty"`
	Letter string `json:"letter,omitempty"`
	// Plan is what would be done to the transaction. Digest is that of the plan, and names it to approve.
	Plan   *PlanView `json:"plan,omitempty"`
	Digest string    `json:"digest"`
	// AskedBy is the id of who asks, Asker the name, Reason why.
	AskedBy string `json:"askedBy"`
	Asker   string `json:"asker"`
	Reason  string `json:"reason"`
	AskedAt string `json:"askedAt"`
	// ExpiresAt is until when it can be approved.
	ExpiresAt string `json:"expiresAt"`
	// AnsweredBy is the id of who approved or rejected it, Answerer the name, AnswerReason why.
	AnsweredBy   string `json:"answeredBy,omitempty"`
	Answerer     string `json:"answerer,omitempty"`
	AnswerReason string `json:"answerReason,omitempty"`
	AnsweredAt   string `json:"answeredAt,omitempty"`
	// Code and Detail say why it failed.
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// target is what the journal calls that which it is about.
func (a *Approval) target() string {
	switch {
	case a.XID != "":
		return a.XID
	case a.Job != "":
		return a.Job
	case a.Letter != "":
		return a.Group + "/" + a.Letter
	}
	return a.Group
}

// AskedView answers a request that needs a second person.
type AskedView struct {
	Approval Approval `json:"approval"`
}

// approvalAnswer approves or rejects.
type approvalAnswer struct {
	// Digest is that of the approval; a rejection needs none.
	Digest string `json:"digest"`
	Reason string `json:"reason"`
}

var (
	problemNoApproval = Problem{
		Status: http.StatusNotFound, Code: "approvalNotFound", Title: "There is no such approval, or it is past retention.",
	}
	problemApprovalState = Problem{
		Status: http.StatusConflict, Code: "approvalStateInvalid",
		Title: "The approval does not wait for an answer any more.",
	}
	problemOwnApproval = Problem{
		Status: http.StatusForbidden, Code: "approvalOwn", Title: "Whoever asks cannot approve: it takes somebody else.",
	}
	problemAskerGone = Problem{
		Status: http.StatusConflict, Code: "approvalAskerGone",
		Title: "Whoever asked has no right to it any more: reject it, and ask for it yourself.",
	}
	problemApprovalDigest = Problem{
		Status: http.StatusPreconditionFailed, Code: string(orchestrator.CodePlanChanged),
		Title: "This is not the digest of the approval.",
	}
)

// approvalRoutes are those of approvals.
func (s *Server) approvalRoutes(v1 *gin.RouterGroup) {
	v1.GET("/approvals", s.listApprovals)
	v1.GET("/approvals/:approval", s.showApproval)
	v1.POST("/approvals/:approval/approve", s.approve)
	v1.POST("/approvals/:approval/reject", s.reject)
}

// fourEyes reports whether an operation needs two people. To finish a saga is to skip what is left of it.
func (s *Server) fourEyes(action string) bool {
	if action == txn.ActionFinish.String() {
		action = FourEyesSkip
	}
	return slices.Contains(s.o.FourEyes, action)
}

// ask stores that an operation waits for a second person, and answers so. The caller has checked the right to it.
func (s *Server) ask(c *gin.Context, a Approval, reason string) {
	if a.Reason = clean(reason, reasonBytesMax); a.Reason == "" {
		s.fail(c, &argumentError{fmt.Sprintf("this needs a second person, so say why: reason is missing, longer than %d "+
			"bytes, or not printable", reasonBytesMax)})
		return
	}
	now := s.o.Clock.Now()
	a.ID = fmt.Sprintf("%013d-%s", now, strings.ToLower(rand.Text())[:8])
	a.State, a.AskedBy, a.Asker = ApprovalPending, access.From(c).ID, actorOf(c)
	a.AskedAt, a.ExpiresAt = when(now), when(now.Add(approvalWaits))
	if err := s.put(c, approvalKind, a.ID, 1, &a, now.Add(approvalKept)); err != nil {
		s.fail(c, err)
		return
	}
	note(c, a.target(), nil, a)
	c.Header("Location", v1+"/approvals/"+a.ID)
	c.JSON(http.StatusAccepted, AskedView{a})
}

// askToOperate asks for an operation on a transaction, if its plan is still the one that was shown.
func (s *Server) askToOperate(c *gin.Context, id int64, op txn.Operation, body *operationBody) {
	plan, err := await(c, func(done func(txn.Plan, error)) { s.o.Coordinator.Plan(id, op, done) })
	if err == nil && orchestrator.PlanDigest(plan) != body.Digest {
		err = orchestrator.ErrPlanChanged
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	view := s.viewPlan(plan)
	s.ask(c, Approval{
		Action: view.Action, XID: view.XID, Branch: view.Branch, Result: op.Result, Plan: &view, Digest: view.Digest,
	}, body.Reason)
}

// askToDiscard asks for the end of a dead letter, or with letter "" for that of a consumer group.
func (s *Server) askToDiscard(c *gin.Context, letter string) {
	var body struct {
		Reason string `json:"reason"`
	}
	if err := readBody(c, &body); err != nil {
		s.fail(c, err)
		return
	}
	a := Approval{Action: FourEyesDiscard, Group: c.Param("group"), Letter: letter}
	var err error
	if a.Digest, err = s.discardDigest(c, a.Group, letter); err != nil {
		s.fail(c, err)
		return
	}
	s.ask(c, a, body.Reason)
}

// discardDigest is the digest of what would be discarded: a letter that is dead again is another one, and so is a group
// with other topics or another first letter.
func (s *Server) discardDigest(ctx context.Context, group, letter string) (string, error) {
	letters := s.letters()
	if letters == nil {
		return "", orchestrator.ErrNoGroup
	}
	parts := []string{FourEyesDiscard, group}
	var first []Letter
	var err error
	if letter == "" {
		if parts, err = s.groupParts(parts, group); err == nil {
			first, _, err = letters.Letters(ctx, group, "", 1)
		}
	} else {
		first = make([]Letter, 1)
		first[0], err = letters.Letter(ctx, group, letter)
	}
	if err != nil {
		return "", err
	}
	for _, l := range first {
		parts = append(parts, "letter", fmt.Sprint(l.ID, l.Attempts, l.FailedAt), string(l.Event))
	}
	return hashOf(parts...)[:32], nil
}

// groupParts adds what a group is known by.
func (s *Server) groupParts(parts []string, group string) ([]string, error) {
	if s.o.Events == nil {
		return nil, orchestrator.ErrNoGroup
	}
	all := s.o.Events.Groups()
	i := slices.IndexFunc(all, func(g orchestrator.EventGroup) bool { return g.Name == group })
	if i < 0 {
		return nil, orchestrator.ErrNoGroup
	}
	return append(append(parts, "group"), all[i].Topics...), nil
}

// approval reads an approval as it looks now.
func (s *Server) approval(ctx context.Context, id string) (*Approval, uint64, error) {
	d, err := s.o.Documents.GetDocument(ctx, approvalKind, id)
	if err != nil {
		return nil, 0, err
	}
	a, err := s.readApproval(d)
	return a, d.Version, err
}

// readApproval reads a document, and notes that nobody came in time, or that its end was not heard of.
func (s *Server) readApproval(d orchestrator.Document) (*Approval, error) {
	var a Approval
	if err := json.Unmarshal(d.Value, &a); err != nil {
		return nil, fmt.Errorf("read approval %s: %w", d.Key, err)
	}
	now := s.o.Clock.Now().Time()
	past := func(text string, by time.Duration) bool {
		at, err := time.Parse(time.RFC3339, text)
		return err != nil || now.Sub(at) >= by
	}
	switch {
	case a.State == ApprovalPending && past(a.ExpiresAt, 0):
		a.State = ApprovalExpired
	case a.State == ApprovalApproved && past(a.AnsweredAt, approvalLate):
		a.State = ApprovalInterrupted
	}
	return &a, nil
}

// failApproval answers an error that came of an approval.
func (s *Server) failApproval(c *gin.Context, err error) {
	if errors.Is(err, orchestrator.ErrNoDocument) {
		s.refuse(c, problemNoApproval)
		return
	}
	s.fail(c, err)
}

// listApprovals answers GET /api/v1/approvals.
func (s *Server) listApprovals(c *gin.Context) {
	p := s.parameters(c, "state", "limit", "cursor")
	state := ApprovalState(p.text("state"))
	q := orchestrator.DocumentQuery{Kind: approvalKind, After: p.text("cursor"), Newest: true, Limit: p.limit()}
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := s.o.Documents.ListDocuments(c, q)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[Approval]{Items: []Approval{}}
	for _, d := range all {
		a, err := s.readApproval(d)
		if err != nil {
			s.fail(c, err)
			return
		}
		if state == "" || a.State == state {
			out.Items = append(out.Items, *a)
		}
	}
	if len(all) > 0 { // a page may have few items, or none, of the state; only no document at all is the end
		out.Next = all[len(all)-1].Key
	}
	c.JSON(http.StatusOK, out)
}

// showApproval answers GET /api/v1/approvals/{approval}.
func (s *Server) showApproval(c *gin.Context) {
	a, _, err := s.approval(c, c.Param("approval"))
	if err != nil {
		s.failApproval(c, err)
		return
	}
	c.JSON(http.StatusOK, a)
}

// readAnswer reads an answer and the approval that it is for. It has answered if ok is false.
func (s *Server) readAnswer(c *gin.Context) (a *Approval, version uint64, body approvalAnswer, ok bool) {
	err := readBody(c, &body)
	if err == nil && clean(body.Reason, reasonBytesMax) == "" {
		err = &argumentError{fmt.Sprintf("reason is missing, longer than %d bytes, or not printable", reasonBytesMax)}
	}
	if err == nil {
		a, version, err = s.approval(c, c.Param("approval"))
	}
	if err != nil {
		s.failApproval(c, err)
		return nil, 0, body, false
	}
	if a.State != ApprovalPending {
		s.wrongState(c, a)
		return nil, 0, body, false
	}
	return a, version, body, true
}

func (s *Server) wrongState(c *gin.Context, a *Approval) {
	p := problemApprovalState
	p.Detail = "It is " + string(a.State) + "."
	s.refuse(c, p)
}

// answer stores an answer. It has answered if ok is false: somebody else was faster, or the store is away.
func (s *Server) answer(c *gin.Context, a *Approval, version uint64, state ApprovalState, reason string) (ok bool) {
	a.State, a.AnsweredBy, a.Answerer = state, access.From(c).ID, actorOf(c)
	a.AnsweredAt, a.AnswerReason = when(s.o.Clock.Now()), clean(reason, reasonBytesMax)
	err := s.put(c, approvalKind, a.ID, version+1, a, s.o.Clock.Now().Add(approvalKept))
	switch {
	case errors.Is(err, orchestrator.ErrConflict):
		p := problemApprovalState
		p.Detail = "Somebody else has just answered."
		s.refuse(c, p)
	case err != nil:
		s.fail(c, err)
	}
	return err == nil
}

// approve answers POST /api/v1/approvals/{approval}/approve: what was asked for is carried out.
func (s *Server) approve(c *gin.Context) {
	a, version, body, ok := s.readAnswer(c)
	if !ok {
		return
	}
	switch {
	case a.AskedBy == access.From(c).ID:
		s.refuse(c, problemOwnApproval)
		return
	case a.Digest != body.Digest:
		s.refuse(c, problemApprovalDigest)
		return
	}
	if s.o.Access != nil {
		stands, err := s.o.Access.Stands(c, a.AskedBy, access.Resolver)
		switch {
		case err != nil:
			s.fail(c, err)
			return
		case !stands:
			s.refuse(c, problemAskerGone)
			return
		}
	}
	before := *a
	if !s.answer(c, a, version, ApprovalApproved, body.Reason) {
		return
	}
	// What is approved is carried out, and noted, although whoever approved it may have gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), answerWait)
	defer cancel()
	err := s.carryOutApproved(ctx, a)
	a.State = ApprovalDone
	if err != nil {
		info := orchestrator.Describe(err)
		a.State, a.Code, a.Detail = ApprovalFailed, string(info.Code), info.Sentence
		var problem *Problem
		if errors.As(err, &problem) {
			a.Code, a.Detail = problem.Code, problem.Error()
		}
	}
	if wrong := s.put(ctx, approvalKind, a.ID, version+2, a, s.o.Clock.Now().Add(approvalKept)); wrong != nil {
		s.o.Logger.WarnContext(c, "what became of an approval is not stored", "approval", a.ID, "state", a.State,
			"err", wrong)
	}
	note(c, a.target(), before, a)
	var problem *Problem
	switch {
	case err == nil:
		c.JSON(http.StatusOK, a)
	case errors.As(err, &problem):
		s.refuse(c, *problem)
	default:
		s.fail(c, err)
	}
}

// carryOutApproved does what two people want. Errors: *[Problem], the runtime's, faults.
func (s *Server) carryOutApproved(ctx context.Context, a *Approval) error {
	who := operator{name: a.Asker + ", approved by " + a.Answerer, reason: a.Reason}
	switch {
	case a.Job != "":
		job, version, err := s.job(ctx, a.Job)
		if errors.Is(err, orchestrator.ErrNoDocument) {
			return &problemNoJob
		}
		if err != nil {
			return err
		}
		if job.Digest != a.Digest {
			return &problemJobDigest
		}
		job.ApprovedBy = a.Answerer
		_, err = s.launchJob(ctx, job, version, who)
		return err
	case a.Group != "":
		return s.discardApproved(ctx, a)
	}
	op, err := operationOf(a.Action, a.Branch)
	if err != nil {
		return err
	}
	op.Result = a.Result
	id, err := xidOf(a.XID)
	if err == nil {
		_, err = s.carryOutOperation(ctx, who, id, op, a.Digest)
	}
	return err
}

// discardApproved ends a dead letter or a group, if it is still the same.
func (s *Server) discardApproved(ctx context.Context, a *Approval) error {
	digest, err := s.discardDigest(ctx, a.Group, a.Letter)
	switch {
	case err != nil:
		return err
	case digest != a.Digest:
		return orchestrator.ErrPlanChanged
	case a.Letter == "":
		return s.o.Events.Remove(ctx, a.Group)
	}
	return s.letters().DiscardLetter(ctx, a.Group, a.Letter)
}

// reject answers POST /api/v1/approvals/{approval}/reject: it is not done. Whoever asked may take it back so.
func (s *Server) reject(c *gin.Context) {
	a, version, body, ok := s.readAnswer(c)
	if !ok {
		return
	}
	before := *a
	if !s.answer(c, a, version, ApprovalRejected, body.Reason) {
		return
	}
	note(c, a.target(), before, a)
	c.JSON(http.StatusOK, a)
}
