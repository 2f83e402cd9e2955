package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/web/access"
)

// What needs a person is found by the lists that there are: transactions that are stuck, dead letters, half messages,
// approvals. Here is what is missing beside them: which runs of sagas wait for a person, and who has taken up what.
// A claim changes nothing about the thing itself; it keeps two people from working on the same.

const (
	claimKind = "claim"
	// claimsMax bounds how many claims there are, claimItemMax and claimNoteMax parts of one.
	claimsMax    = 5000
	claimItemMax = 500
	claimNoteMax = 200
	// claimLasts is after how long a claim is forgotten: whoever has it is busy with something else.
	claimLasts = 7 * 24 * time.Hour
)

// claimItem is what an item of the inbox is called: its kind, and what names it there.
var claimItem = regexp.MustCompile(`^(transaction|wait|approval|letter|half):.+$`)

// InboxClaim says who has taken up an item of the inbox.
type InboxClaim struct {
	ID string `json:"id"`
	// Item names it: transaction:XID, wait:XID/STEP, approval:ID, letter:GROUP/ID, half:BROKER/QUEUE/OFFSET.
	Item string `json:"item"`
	Note string `json:"note"`
	// Owner is who has it, for people; Own whether that is who asks.
	Owner string `json:"owner"`
	Own   bool   `json:"own"`
	At    string `json:"at"`
}

// storedClaim is a claim with the id of its owner.
type storedClaim struct {
	InboxClaim
	By string `json:"by"`
}

// claimBody takes up an item.
type claimBody struct {
	Item string `json:"item"`
	Note string `json:"note"`
	// TakeOver takes it from whoever has it.
	TakeOver bool `json:"takeOver"`
}

// InboxWait is a step of a run that waits for a person.
type InboxWait struct {
	SagaWait
	XID         string `json:"xid"`
	Saga        string `json:"saga"`
	Version     uint32 `json:"version"`
	Key         string `json:"key,omitempty"`
	Application string `json:"application,omitempty"`
	// Since is when the step began to wait.
	Since string `json:"since,omitempty"`
}

var (
	problemNoClaim = Problem{
		Status: http.StatusNotFound, Code: "claimNotFound", Title: "Nobody has taken it up.",
	}
	problemClaims = Problem{
		Status: http.StatusConflict, Code: "claimsTooMany",
		Title: fmt.Sprintf("At most %d items can be taken up: release one first.", claimsMax),
	}
	problemClaimOthers = Problem{
		Status: http.StatusForbidden, Code: "claimOthers", Title: "Somebody else has taken it up: take it over first.",
	}
)

// inboxRoutes are those of the inbox.
func (s *Server) inboxRoutes(v1 *gin.RouterGroup) {
	v1.GET("/inbox/waits", s.listInboxWaits)
	v1.GET("/inbox/claims", s.listClaims)
	v1.POST("/inbox/claims", s.takeUp)
	v1.DELETE("/inbox/claims/:claim", s.releaseClaim)
}

// listInboxWaits answers GET /api/v1/inbox/waits: steps of sagas that wait for an approval.
func (s *Server) listInboxWaits(c *gin.Context) {
	p := s.parameters(c, "cursor", "limit")
	q := orchestrator.Query{Sagas: true, Live: true, Status: txn.Active, Cursor: p.text("cursor")}
	most := p.limit()
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	if most == 0 {
		most = orchestrator.PageItemsDefault
	}
	out, hidden := Page[InboxWait]{Items: []InboxWait{}}, s.maskFor(c)
	for range runPages {
		q.Limit = most
		page, err := s.o.Coordinator.List(c, q)
		if err != nil {
			s.fail(c, err)
			return
		}
		for _, g := range page.Items {
			out.Items = append(out.Items, waitsFor(g)...)
		}
		q.Cursor, out.Next = page.Next, page.Next
		if page.Next == "" || len(out.Items) >= most {
			break
		}
	}
	for i := range out.Items {
		hidden.wait(&out.Items[i].SagaWait)
	}
	c.JSON(http.StatusOK, out)
}

// waitsFor returns the approvals that a run waits for.
func waitsFor(g *txn.Global) (waits []InboxWait) {
	if g.Saga == nil {
		return nil
	}
	var told *past
	for _, b := range g.Branches {
		if b.Step == nil || !b.Approval() {
			continue
		}
		w, open := viewWait(g, b)
		if !open {
			continue
		}
		if told == nil {
			told = pastOf(g)
		}
		one := InboxWait{
			SagaWait: w, XID: g.XID.String(), Saga: g.Saga.Definition, Version: g.Saga.Version, Key: g.Saga.Key,
			Application: g.Application,
		}
		if of := told.of[b.ID]; of != nil {
			one.Since = when(of.began)
		}
		waits = append(waits, one)
	}
	return waits
}

// claimID is the id of the claim to an item, which has one at most.
func claimID(item string) string {
	sum := sha256.Sum256([]byte(item))
	return hex.EncodeToString(sum[:16])
}

// listClaims answers GET /api/v1/inbox/claims.
func (s *Server) listClaims(c *gin.Context) {
	p := s.parameters(c)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := s.claims(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[InboxClaim]{Items: []InboxClaim{}}
	for _, one := range all {
		one.Own = one.By == access.From(c).ID
		out.Items = append(out.Items, one.InboxClaim)
	}
	c.JSON(http.StatusOK, out)
}

// claims returns all claims.
func (s *Server) claims(ctx context.Context) (all []storedClaim, err error) {
	q := orchestrator.DocumentQuery{Kind: claimKind, Limit: orchestrator.PageItemsMax}
	for {
		page, err := s.o.Documents.ListDocuments(ctx, q)
		if err != nil || len(page) == 0 {
			return all, err
		}
		for _, d := range page {
			var one storedClaim
			if err := json.Unmarshal(d.Value, &one); err != nil {
				return nil, fmt.Errorf("read claim %s: %w", d.Key, err)
			}
			all = append(all, one)
		}
		q.After = page[len(page)-1].Key
	}
}

// claimOf reads a claim. Its version is 0 if there is none.
func (s *Server) claimOf(ctx context.Context, id string) (one storedClaim, version uint64, err error) {
	if len(id) > orchestrator.DocumentKeyBytesMax {
		return one, 0, nil
	}
	d, err := s.o.Documents.GetDocument(ctx, claimKind, id)
	if errors.Is(err, orchestrator.ErrNoDocument) {
		return one, 0, nil
	}
	if err == nil {
		err = json.Unmarshal(d.Value, &one)
	}
	return one, d.Version, err
}

// takeUp answers POST /api/v1/inbox/claims: whoever asks takes up an item, or changes the note on it.
func (s *Server) takeUp(c *gin.Context) {
	var body claimBody
	err := readBody(c, &body)
	switch {
	case err != nil:
	case clean(body.Item, claimItemMax) != body.Item || !claimItem.MatchString(body.Item):
		err = &argumentError{"item is the kind and the name of an item, such as transaction:10.0.0.1:8091:42"}
	case body.Note != "" && clean(body.Note, claimNoteMax) == "":
		err = &argumentError{fmt.Sprintf("note is longer than %d bytes, or not printable", claimNoteMax)}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	before, version, err := s.claimOf(c, claimID(body.Item))
	var all []storedClaim
	if err == nil && version == 0 {
		all, err = s.claims(c)
	}
	p := access.From(c)
	switch {
	case err != nil:
		s.fail(c, err)
		return
	case len(all) >= claimsMax:
		s.refuse(c, problemClaims)
		return
	case version > 0 && before.By != p.ID && !body.TakeOver:
		s.refuse(c, Problem{
			Status: http.StatusConflict, Code: "claimTaken", Title: "Somebody has taken it up already.",
			Detail: before.Owner + " has it since " + before.At + ".",
		})
		return
	}
	now := s.o.Clock.Now()
	one := storedClaim{InboxClaim: InboxClaim{
		ID: claimID(body.Item), Item: body.Item, Note: clean(body.Note, claimNoteMax), Owner: p.Name, At: when(now),
	}, By: p.ID}
	if before.By == p.ID {
		one.At = before.At
	}
	if err := s.put(c, claimKind, one.ID, version+1, one, now.Add(claimLasts)); err != nil {
		s.fail(c, err)
		return
	}
	var was any
	if version > 0 {
		was = before.InboxClaim
	}
	note(c.Request.Context(), body.Item, was, one.InboxClaim)
	one.Own = true
	c.JSON(http.StatusOK, one.InboxClaim)
}

// releaseClaim answers DELETE /api/v1/inbox/claims/{claim}: one's own, or any for an admin.
func (s *Server) releaseClaim(c *gin.Context) {
	before, version, err := s.claimOf(c, c.Param("claim"))
	p := access.From(c)
	switch {
	case err != nil:
	case version == 0:
		s.refuse(c, problemNoClaim)
		return
	case before.By != p.ID && !p.Roles.Has(access.Admin):
		s.refuse(c, problemClaimOthers)
		return
	default:
		err = s.o.Documents.DeleteDocument(c, claimKind, before.ID, version)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	note(c.Request.Context(), before.Item, before.InboxClaim, nil)
	c.JSON(http.StatusOK, before.InboxClaim)
}
