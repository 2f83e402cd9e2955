package outbox

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"regexp"
	"strings"
	"time"
)

// Event is something that has happened: a CloudEvents 1.0 event.
type Event struct {
	// ID is what consumers recognise copies by: at most 200 bytes, unique for all times; made at random by Add if empty.
	ID string
	// Topic is where it is published: letters, digits, - and _, at most 127. Of an event that was read it is where it
	// was published, if that is known.
	Topic string
	// Key orders events: those with one key come one after the other. At most 200 bytes; empty: in no order.
	Key string
	// Type says what has happened, such as "shop.order.placed"; required. Source says where, a URI reference; that of
	// the Outbox if empty. Subject says to what.
	Type, Source, Subject string
	// Time is when; now if zero.
	Time time.Time
	// ContentType of Data; application/json if empty.
	ContentType string
	// Data is what is told: JSON, or whatever ContentType says.
	Data []byte
	// Traceparent is the W3C trace context; that of the context of Add if empty. Handlers have it in theirs.
	Traceparent string
}

// wire is an event as JSON.
type wire struct {
	SpecVersion  string          `json:"specversion"`
	ID           string          `json:"id"`
	Source       string          `json:"source"`
	Type         string          `json:"type"`
	Subject      string          `json:"subject,omitempty"`
	Time         *time.Time      `json:"time,omitempty"`
	PartitionKey string          `json:"partitionkey,omitempty"`
	Traceparent  string          `json:"traceparent,omitempty"`
	ContentType  string          `json:"datacontenttype,omitempty"`
	Data         json.RawMessage `json:"data,omitempty"`
	DataBase64   []byte          `json:"data_base64,omitempty"`
}

const (
	idBytesMax = 200
	// branchType is the type of an event that carries the message of a topic branch: docs/EVENTS.md.
	branchType = "io.concord.branch.commit"
)

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,127}$`)

// check says what keeps an event from being written.
func (e *Event) check() error {
	switch {
	case e.ID == "" || len(e.ID) > idBytesMax:
		return fmt.Errorf("an id has 1 to %d bytes", idBytesMax)
	case len(e.Key) > idBytesMax:
		return fmt.Errorf("a key of %d bytes; %d are the most", len(e.Key), idBytesMax)
	case !topicName.MatchString(e.Topic):
		return fmt.Errorf("%q is no name of a topic", e.Topic)
	case e.Type == "" || e.Source == "":
		return errors.New("its type or source is missing")
	}
	return nil
}

// complete fills in what may be left out.
func (e Event) complete(source string, now time.Time) Event {
	if e.ID == "" {
		e.ID = rand.Text()
	}
	if e.Source == "" {
		e.Source = source
	}
	if e.Time.IsZero() {
		e.Time = now
	}
	return e
}

// MarshalJSON writes the event as CloudEvents 1.0 has it. The topic is no part of it.
func (e Event) MarshalJSON() ([]byte, error) {
	w := wire{
		SpecVersion: "1.0", ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, PartitionKey: e.Key,
		Traceparent: e.Traceparent, ContentType: e.ContentType,
	}
	if !e.Time.IsZero() {
		at := e.Time.UTC()
		w.Time = &at
	}
	switch {
	case len(e.Data) == 0:
	case isJSON(e.ContentType):
		if !json.Valid(e.Data) {
			return nil, errors.New("the data of the event is no JSON; set its ContentType")
		}
		w.Data = e.Data
	default:
		w.DataBase64 = e.Data
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes, and what other CloudEvents are. An event that carries another one, since
// it came as the message of a topic branch, is that other one.
func (e *Event) UnmarshalJSON(text []byte) error {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	if w.SpecVersion == "" || w.ID == "" || w.Type == "" {
		return errors.New("this is no CloudEvent: specversion, id or type is missing")
	}
	if w.Type == branchType {
		if inner, ok := carried(w.Data); ok {
			*e = inner
			return nil
		}
	}
	*e = Event{
		ID: w.ID, Key: w.PartitionKey, Type: w.Type, Source: w.Source, Subject: w.Subject, ContentType: w.ContentType,
		Traceparent: w.Traceparent, Data: w.Data,
	}
	if w.Time != nil {
		e.Time = *w.Time
	}
	if w.DataBase64 != nil {
		e.Data = w.DataBase64
	} else if !isJSON(w.ContentType) && len(w.Data) > 0 { // a text in JSON
		var text string
		if json.Unmarshal(w.Data, &text) == nil {
			e.Data = []byte(text)
		}
	}
	return nil
}

// carried returns the event in the message of a topic branch.
func carried(data []byte) (e Event, ok bool) {
	var message struct {
		Topic   string `json:"topic"`
		Payload string `json:"payload"`
	}
	var w wire
	if json.Unmarshal(data, &message) != nil || json.Unmarshal([]byte(message.Payload), &w) != nil {
		return e, false
	}
	if w.Type == branchType { // one in another is read once
		return e, false
	}
	if json.Unmarshal([]byte(message.Payload), &e) != nil {
		return e, false
	}
	e.Topic = message.Topic
	return e, true
}

// Decode reads the body of a message: an event, or a JSON array of them as Concord sends them.
func Decode(body []byte) ([]Event, error) {
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' {
		var all []Event
		err := json.Unmarshal(body, &all)
		return all, err
	}
	var one Event
	if err := json.Unmarshal(body, &one); err != nil {
		return nil, err
	}
	return []Event{one}, nil
}

// isJSON reports whether data of a content type stands in the event as it is.
func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}
