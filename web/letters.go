package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/orchestrator"
)

// Dead letters are what a consumer group has failed to handle too often. The routes are the same whether Concord keeps
// the events itself or a broker does.

// Letters are the dead letters of the consumer groups.
type Letters interface {
	// LetterGroups lists the groups that there are.
	LetterGroups(ctx context.Context) ([]LetterGroup, error)
	// Letters returns dead letters of a group, oldest first; next is "" at the end. Errors: orchestrator.ErrNoGroup,
	// ErrCursor, ErrUnavailable, faults.
	Letters(ctx context.Context, group, cursor string, limit int) (page []Letter, next string, err error)
	// Letter returns one. Errors: those of Letters, orchestrator.ErrNoLetter, [LetterIDError].
	Letter(ctx context.Context, group, id string) (Letter, error)
	// ReplayLetter gives one to its group again. Errors are those of Letter, here and below.
	ReplayLetter(ctx context.Context, group, id string) error
	// DiscardLetter has one never shown again.
	DiscardLetter(ctx context.Context, group, id string) error
}

// LetterGroup is a consumer group and how many dead letters it has.
type LetterGroup struct {
	Group   string `json:"group"`
	Letters int64  `json:"letters"`
	// More says that there are more; AtMost that some of those that are counted are no events of ours.
	More   bool `json:"more,omitempty"`
	AtMost bool `json:"atMost,omitempty"`
}

// Letter is a dead letter.
type Letter struct {
	// ID names it within its group.
	ID string
	// EventLetter.Event is what the consumers got; on a broker that may be a batch of events, or anything.
	orchestrator.EventLetter
	// Origin is the message on a broker that it was, nil if that is not known. Broker and Queue say where Offset counts.
	Origin *LetterOrigin
	// Properties are those of a broker's message.
	Properties map[string]string
}

// LetterOrigin is where the message of a dead letter is or was. Its place is known as long as the broker keeps it.
type LetterOrigin struct {
	// MessageID is the broker's.
	MessageID string `json:"messageId"`
	Found     bool   `json:"found"`
	Broker    string `json:"broker,omitempty"`
	Queue     int    `json:"queue"`
	Offset    int64  `json:"offset"`
}

// LetterIDError says that something cannot be the id of a dead letter.
func LetterIDError(id string) error {
	return &argumentError{fmt.Sprintf("%q is not the id of a dead letter", id)}
}

// EventLetter is how a dead letter looks.
type EventLetter struct {
	ID string `json:"id"`
	EventEntry
	Attempts   int               `json:"attempts"`
	FailedAt   string            `json:"failedAt"`
	Reason     string            `json:"reason"`
	Origin     *LetterOrigin     `json:"origin,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
}

// letterRoutes are those of dead letters.
func (s *Server) letterRoutes(v1 *gin.RouterGroup) {
	v1.GET("/events/deadletters", s.withLetters(s.listLetterGroups))
	v1.GET("/events/groups/:group/deadletters", s.withLetters(s.listLetters))
	v1.GET("/events/groups/:group/deadletters/:letter", s.withLetters(s.showLetter))
	v1.POST("/events/groups/:group/deadletters/:letter/replay", s.withLetters(s.replayLetter))
	v1.DELETE("/events/groups/:group/deadletters/:letter", s.withLetters(s.discardLetter))
}

// letters returns what has the dead letters, or nil.
func (s *Server) letters() Letters {
	switch {
	case s.o.Letters != nil:
		return s.o.Letters
	case s.o.Events != nil:
		return ownLetters{s.o.Events}
	}
	return nil
}

func (s *Server) withLetters(handle func(c *gin.Context, l Letters)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if l := s.letters(); l != nil {
			handle(c, l)
			return
		}
		s.withEvents(nil)(c) // which says that there are no events
	}
}

// listLetterGroups answers GET /api/v1/events/deadletters.
func (s *Server) listLetterGroups(c *gin.Context, l Letters) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	all, err := l.LetterGroups(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, Page[LetterGroup]{Items: append([]LetterGroup{}, all...)})
}

// listLetters answers GET /api/v1/events/groups/{group}/deadletters.
func (s *Server) listLetters(c *gin.Context, l Letters) {
	p := s.parameters(c, "limit", "cursor")
	limit := cmp.Or(p.limit(), orchestrator.PageItemsDefault)
	if p.err != nil {
		s.fail(c, p.err)
		return
	}
	letters, next, err := l.Letters(c, c.Param("group"), p.text("cursor"), limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := Page[EventLetter]{Items: []EventLetter{}, Next: next}
	for i := range letters {
		v := viewLetter(&letters[i])
		v.Event = s.maskFor(c).raw(v.Event)
		out.Items = append(out.Items, v)
	}
	answerEvents(c, out)
}

func viewLetter(l *Letter) EventLetter {
	v := EventLetter{
		ID: l.ID, EventEntry: viewEntry(l.EventEntry), Attempts: l.Attempts, FailedAt: when(l.FailedAt), Reason: l.Reason,
		Origin: l.Origin, Properties: l.Properties,
	}
	if !json.Valid(v.Event) { // whatever a message on a broker may be
		v.Event, _ = json.Marshal(string(v.Event))
	}
	return v
}

// showLetter answers GET /api/v1/events/groups/{group}/deadletters/{letter}.
func (s *Server) showLetter(c *gin.Context, l Letters) {
	if p := s.parameters(c); p.err != nil {
		s.fail(c, p.err)
		return
	}
	letter, err := l.Letter(c, c.Param("group"), c.Param("letter"))
	if err != nil {
		s.fail(c, err)
		return
	}
	v := viewLetter(&letter)
	v.Event = s.maskFor(c).raw(v.Event)
	answerEvents(c, v)
}

// letterBody says why something is done to a dead letter.
type letterBody struct {
	Reason string `json:"reason"`
}

// readLetterBody reads it; whether there is a reason or not, the journal has it.
func (s *Server) readLetterBody(c *gin.Context) (body letterBody, ok bool) {
	err := readBody(c, &body)
	if err == nil && body.Reason != "" && clean(body.Reason, reasonBytesMax) != body.Reason {
		err = &argumentError{fmt.Sprintf("reason is longer than %d bytes, or not printable", reasonBytesMax)}
	}
	if err != nil {
		s.fail(c, err)
	}
	return body, err == nil
}

// replayLetter answers POST /api/v1/events/groups/{group}/deadletters/{letter}/replay.
func (s *Server) replayLetter(c *gin.Context, l Letters) {
	if _, ok := s.readLetterBody(c); ok {
		s.done(c, l.ReplayLetter(c, c.Param("group"), c.Param("letter")))
	}
}

// discardLetter answers DELETE /api/v1/events/groups/{group}/deadletters/{letter}.
func (s *Server) discardLetter(c *gin.Context, l Letters) {
	if s.fourEyes(FourEyesDiscard) {
		s.askToDiscard(c, c.Param("letter"))
		return
	}
	body, ok := s.readLetterBody(c)
	if !ok {
		return
	}
	if body.Reason == "" {
		s.fail(c, &argumentError{"reason is missing: say why the dead letter is discarded"})
		return
	}
	s.done(c, l.DiscardLetter(c, c.Param("group"), c.Param("letter")))
}

// ownLetters are the dead letters of a log that keeps its events itself. Their ids are the numbers of the entries.
type ownLetters struct{ log Events }

// lettersCounted is how many dead letters of a group are counted at most.
const lettersCounted = 1000

// LetterGroups implements [Letters].
func (o ownLetters) LetterGroups(context.Context) ([]LetterGroup, error) {
	var all []LetterGroup
	for _, g := range o.log.Groups() {
		letters, err := o.log.DeadLetters(g.Name, 0, lettersCounted)
		if errors.Is(err, orchestrator.ErrNoGroup) { // it has just been removed
			continue
		}
		if err != nil {
			return nil, err
		}
		one := LetterGroup{Group: g.Name, Letters: int64(len(letters))}
		if n := len(letters); n > 0 {
			rest, err := o.log.DeadLetters(g.Name, letters[n-1].Seq, 1)
			if err != nil && !errors.Is(err, orchestrator.ErrNoGroup) {
				return nil, err
			}
			one.More = len(rest) > 0
		}
		all = append(all, one)
	}
	return all, nil
}

// Letters implements [Letters].
func (o ownLetters) Letters(_ context.Context, group, cursor string, limit int) (
	page []Letter, next string, err error,
) {
	after := uint64(0)
	if cursor != "" {
		if after, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return nil, "", orchestrator.ErrCursor
		}
	}
	letters, err := o.log.DeadLetters(group, after, limit)
	for _, l := range letters {
		next = strconv.FormatUint(l.Seq, 10)
		page = append(page, Letter{ID: next, EventLetter: l})
	}
	return page, next, err
}

// Letter implements [Letters].
func (o ownLetters) Letter(_ context.Context, group, id string) (Letter, error) {
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return Letter{}, LetterIDError(id)
	}
	letters, err := o.log.DeadLetters(group, max(seq, 1)-1, 1)
	switch {
	case err != nil:
		return Letter{}, err
	case len(letters) == 0 || letters[0].Seq != seq:
		return Letter{}, orchestrator.ErrNoLetter
	}
	return Letter{ID: id, EventLetter: letters[0]}, nil
}

// ReplayLetter implements [Letters].
func (o ownLetters) ReplayLetter(ctx context.Context, group, id string) error {
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return LetterIDError(id)
	}
	return o.log.Replay(ctx, group, seq)
}

// DiscardLetter implements [Letters].
func (o ownLetters) DiscardLetter(ctx context.Context, group, id string) error {
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return LetterIDError(id)
	}
	return o.log.Discard(ctx, group, seq)
}
