package audit

import "github.com/concord-tx/concord/orchestrator/txn"

// topicInvariants are about what is published.
func topicInvariants() []Invariant {
	return []Invariant{
		{"I25", "Published once: the topics have one event for a decision; duplicates are identical",
			[]Part{{"I25/copies", "bytes of all copies", Topics, false, each(sameBytes)},
				{"I25/strays", "messages that are no decision", Topics, false, noStrays}}},
		{"I26", "No phantom publication: what is published is in the store, with the same content, and was there before",
			[]Part{
				{"I26/record", "published events against the records", Records | Topics, false, each(publishedIsStored)},
				{"I26/outbox", "published events against stored events", OutboxTable | Topics, false, publishedAsStored},
			}},
		{"I27", "No lost publication: every decision is on the topic in the end",
			[]Part{
				{"I27/decided", "decided records against the topics", Records | Topics, false, each(storedIsPublished)},
				{"I27/outbox", "the outbox at rest", OutboxTable, true, outboxEmpty},
				{"I27/dead", "messages that the broker has given up", Topics, false, noneDead},
			}},
		{"I28", "Check-backs agree with the store: no message of a pack that is not stored",
			[]Part{{"I28/packs", "packs of published messages against the store", Topics | PackTable, false,
				each(packsStored)}}},
		{"I29", "Order: for one xid the topics have its decision and nothing before it",
			[]Part{{"I29/copies", "topic and version of all copies of an xid", Topics, false, each(oneTopic)}}},
		{"I30", "Replay: reading the topics from the beginning twice gives the same",
			[]Part{{"I30/queues", "two readings of each queue", TopicsTwice, false, replaysEqual}}},
	}
}

func sameBytes(_ *Evidence, s *Story, f *Findings) bool {
	for _, p := range s.Published {
		if first := s.Published[0]; p.Hash != first.Hash {
			f.fail(s, "the copy at %s differs from that at %s", p.where(), first.where())
		}
	}
	return len(s.Published) > 0
}

func noStrays(e *Evidence, f *Findings) {
	for _, what := range e.Strays {
		f.fail(nil, "%s", what)
	}
	f.count(max(1, len(e.Strays)))
}

func publishedIsStored(e *Evidence, s *Story, f *Findings) bool {
	if len(s.Published) == 0 {
		return false
	}
	p := s.Published[0]
	d, r := p.Event, s.Record
	switch {
	case r == nil:
		f.fail(s, "%s is published at %s, but the store does not know it", d.Outcome, p.where())
	case r.Status.Outcome() != d.Outcome:
		f.fail(s, "%s is published at %s, but the store says %s", d.Outcome, p.where(), r.Status)
	case d.Version > r.Version:
		f.fail(s, "version %d is published, the store has version %d", d.Version, r.Version)
	case d.XID.String() != r.XID || d.Cause != r.Cause.String() || d.Application != r.Application ||
		d.Group != r.Group || d.Name != r.Name || d.BeganAt != r.BeganAt || d.DecidedAt != r.DecidedAt:
		f.fail(s, "what is published at %s differs from the record: xid %s, cause %s, began %d, "+
			"decided %d", p.where(), d.XID, d.Cause, d.BeganAt, d.DecidedAt)
	}
	for _, p := range s.Published {
		if r != nil && !p.StoredAt.IsZero() && txn.MillisOf(p.StoredAt).Add(e.Slack) < r.DecidedAt {
			f.fail(s, "it was on %s at %d, but was decided at %d", p.Topic, txn.MillisOf(p.StoredAt), r.DecidedAt)
		}
	}
	return true
}

func publishedAsStored(e *Evidence, f *Findings) {
	for _, o := range e.Outbox {
		s := e.Stories[o.ID]
		if s == nil || len(s.Published) == 0 {
			continue
		}
		f.count(1)
		if p := s.Published[0]; p.Hash != o.Hash || p.Topic != o.Topic {
			f.fail(s, "the event on %s differs from the stored one for %s", p.Topic, o.Topic)
		}
	}
}

func storedIsPublished(e *Evidence, s *Story, f *Findings) bool {
	if s.outcome() == 0 || !e.AtRest && s.Record.DecidedAt.Add(e.Grace) > e.Now {
		return false
	}
	if len(s.Published) == 0 {
		f.fail(s, "it was decided at %d (%s), but is on no topic", s.Record.DecidedAt, s.Record.Status)
	}
	return true
}

func outboxEmpty(e *Evidence, f *Findings) {
	for _, o := range e.Outbox {
		f.fail(e.Stories[o.ID], "its event, recorded at %d for %s, was never read back", o.RecordedAt, o.Topic)
	}
	f.count(max(1, len(e.Outbox)))
}

func noneDead(e *Evidence, f *Findings) {
	for _, xid := range e.Dead {
		f.fail(nil, "the broker has given up a message of %s", xid)
	}
	f.count(max(1, len(e.Dead)))
}

func packsStored(e *Evidence, s *Story, f *Findings) bool {
	looked := false
	for _, p := range s.Published {
		if p.Pack == "" {
			continue
		}
		looked = true
		pack, known := e.Packs[p.Pack]
		switch {
		case !known:
			f.fail(s, "its message at %s is of pack %s, which the store does not know", p.where(), p.Pack)
		case !pack.Stored:
			f.fail(s, "its message at %s is of pack %s, which was aborted", p.where(), p.Pack)
		}
	}
	return looked
}

func oneTopic(_ *Evidence, s *Story, f *Findings) bool {
	for _, p := range s.Published {
		first := s.Published[0]
		if p.Topic != first.Topic || p.Event.Version != first.Event.Version {
			f.fail(s, "version %d is on %s, version %d on %s", first.Event.Version, first.Topic, p.Event.Version, p.Topic)
		}
	}
	return len(s.Published) > 0
}

func replaysEqual(e *Evidence, f *Findings) {
	for _, r := range e.Replays {
		f.count(int(r.Messages))
		if r.First != r.Second {
			f.fail(nil, "%s broker %s queue %d: %d messages had other contents when they were read again", r.Topic,
				r.Broker, r.Queue, r.Messages)
		}
	}
}
