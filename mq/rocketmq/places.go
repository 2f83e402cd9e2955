package rocketmq

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Places is a place in all queues of some topics at once: what a reader of them has read. It is not safe for concurrent
// use.
type Places struct {
	// since is when the reader has begun: in queues that it has not seen yet it begins there. The zero time is the
	// beginning of all.
	since time.Time
	next  map[queue]int64
}

const (
	placesForm     = "1"
	placesBytesMax = 32 << 10
	queuesMax      = 4096
)

// OldestPlaces is the place before everything that brokers still have.
func OldestPlaces() *Places { return &Places{next: map[queue]int64{}} }

// Text returns the text form; topics are those of the reader, who has to give the same ones to [ParsePlaces]. It has no
// blanks, so that it can be the id of an event of a stream.
func (p *Places) Text(topics []string) string {
	since := int64(0)
	if !p.since.IsZero() {
		since = p.since.UnixMilli()
	}
	dst := strconv.AppendInt([]byte(placesForm+";"), since, 10)
	brokers := map[string]int{} // to the number of queues, per topic
	for i, topic := range topics {
		clear(brokers)
		for q := range p.next {
			if q.topic == topic {
				brokers[q.broker] = max(brokers[q.broker], q.id+1)
			}
		}
		for _, broker := range slices.Sorted(maps.Keys(brokers)) {
			dst = fmt.Appendf(dst, ";%d/%s", i, url.QueryEscape(broker))
			for id := range brokers[broker] {
				dst = append(dst, "/,"[min(id, 1)])
				if next, ok := p.next[queue{topic, broker, id}]; ok {
					dst = strconv.AppendInt(dst, next, 10)
				}
			}
		}
	}
	return string(dst)
}

// ParsePlaces is the reverse of [Places.Text].
func ParsePlaces(text string, topics []string) (p *Places, ok bool) {
	parts := strings.Split(text, ";")
	if len(text) > placesBytesMax || len(parts) < 2 || parts[0] != placesForm {
		return nil, false
	}
	p = OldestPlaces()
	since, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || since < 0 {
		return nil, false
	}
	if since > 0 {
		p.since = time.UnixMilli(since)
	}
	for _, part := range parts[2:] {
		if !p.parse(part, topics) {
			return nil, false
		}
	}
	return p, true
}

// parse reads the queues of one topic on one broker.
func (p *Places) parse(part string, topics []string) bool {
	fields := strings.Split(part, "/")
	if len(fields) != 3 {
		return false
	}
	topic, err := strconv.Atoi(fields[0])
	broker, wrong := url.QueryUnescape(fields[1])
	if err != nil || wrong != nil || topic < 0 || topic >= len(topics) || broker == "" {
		return false
	}
	for id, offset := range strings.Split(fields[2], ",") {
		if offset == "" {
			continue
		}
		n, err := strconv.ParseInt(offset, 10, 64)
		if err != nil || n < 0 || len(p.next) >= queuesMax {
			return false
		}
		p.next[queue{topics[topic], broker, id}] = n
	}
	return true
}
