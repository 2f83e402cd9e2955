package rocketmq

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The library asks for routes every 30 s, and a client that has just missed an election is out for as long. So routes
// are watched here, twice a second: sends go only to brokers that have a master now, and when there is a
// master or a queue that the producer may not know, a fresh one, which reads the route anew, takes its place.

const (
	watchEvery  = 500 * time.Millisecond
	askWithin   = time.Second
	brokersMax  = 1024
	oldestKnown = 393 // MQVersion.V4_9_0
)

// queue is one queue of a topic on a broker.
type queue struct {
	topic, broker string
	id            int
}

// topicRoute is what the name server knows of a topic.
type topicRoute struct {
	masters     map[string]string // broker name to address, of those that have a master
	replicas    map[string]string // broker name to address of a slave
	read, write map[string]int    // number of queues by broker name
}

// readable lists the queues that can be read from a master.
func (r topicRoute) readable(topic string) []queue { return r.queues(topic, r.read) }

// writable lists the queues that can be written.
func (r topicRoute) writable(topic string) []queue { return r.queues(topic, r.write) }

// known lists the queues that can be read or written: those of which brokers tell where they begin and end.
func (r topicRoute) known(topic string) []queue {
	all := maps.Clone(r.write)
	maps.Copy(all, r.read)
	return r.queues(topic, all)
}

func (r topicRoute) queues(topic string, numbers map[string]int) []queue {
	var all []queue
	for _, broker := range slices.Sorted(maps.Keys(numbers)) {
		if r.masters[broker] == "" {
			continue
		}
		for id := range numbers[broker] {
			all = append(all, queue{topic: topic, broker: broker, id: id})
		}
	}
	return all
}

// numericKey finds the keys that fastjson writes without quotes.
var numericKey = regexp.MustCompile(`([{,])(-?\d+):`)

// brokerData and the others are what the name server answers with. Source: remoting/protocol/route.
type brokerData struct {
	BrokerName  string            `json:"brokerName"`
	BrokerAddrs map[string]string `json:"brokerAddrs"`
}

const (
	permWrite  = 2
	permRead   = 4
	masterID   = "0"
	topicPerms = permRead | permWrite
)

func decodeRoute(body []byte) (topicRoute, error) {
	var data struct {
		Brokers []brokerData `json:"brokerDatas"`
		Queues  []struct {
			BrokerName string `json:"brokerName"`
			Perm       int    `json:"perm"`
			Read       int    `json:"readQueueNums"`
			Write      int    `json:"writeQueueNums"`
		} `json:"queueDatas"`
	}
	if err := json.Unmarshal(numericKey.ReplaceAll(body, []byte(`$1"$2":`)), &data); err != nil {
		return topicRoute{}, fmt.Errorf("route of a topic: %w", err)
	}
	r := topicRoute{
		masters: map[string]string{}, replicas: map[string]string{}, read: map[string]int{}, write: map[string]int{},
	}
	for _, b := range data.Brokers[:min(len(data.Brokers), brokersMax)] {
		if addr := b.BrokerAddrs[masterID]; addr != "" {
			r.masters[b.BrokerName] = addr
		}
		for _, id := range slices.Sorted(maps.Keys(b.BrokerAddrs)) {
			if id != masterID {
				r.replicas[b.BrokerName] = b.BrokerAddrs[id]
			}
		}
	}
	for _, q := range data.Queues {
		if q.Perm&permRead != 0 {
			r.read[q.BrokerName] = q.Read
		}
		if q.Perm&permWrite != 0 {
			r.write[q.BrokerName] = q.Write
		}
	}
	return r, nil
}

// nameServers asks name servers, the one that answered last first.
type nameServers struct {
	wire *wire
	mu   sync.Mutex
	all  []string
}

func (n *nameServers) order() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// prefer puts one that has answered first.
func (n *nameServers) prefer(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.Index(n.all, addr); i > 0 {
		n.all[0], n.all[i] = n.all[i], n.all[0]
	}
}

// set takes over addresses that were resolved again.
func (n *nameServers) set(all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(all) > 0 && !slices.Equal(slices.Sorted(slices.Values(all)), slices.Sorted(slices.Values(n.all))) {
		n.all = slices.Clone(all)
	}
}

// errNameServers says that none answers.
var errNameServers = errors.New("no name server answers; check --rocketmq-namesrv")

func (n *nameServers) ask(ctx context.Context, code int, ext map[string]string) (*command, error) {
	var reasons error
	for _, addr := range n.order() {
		one, cancel := context.WithTimeout(ctx, askWithin)
		got, err := n.wire.call(one, addr, code, ext, nil)
		cancel()
		var refused *answerError
		if err == nil || errors.As(err, &refused) {
			n.prefer(addr)
			return got, err
		}
		reasons = errors.Join(reasons, err)
	}
	return nil, fmt.Errorf("%w: %w", errNameServers, reasons)
}

// errNoTopic says that a topic is not there.
var errNoTopic = errors.New("topic does not exist")

// route asks for a topic. Errors: errNoTopic, errNameServers.
func (n *nameServers) route(ctx context.Context, topic string) (topicRoute, error) {
	got, err := n.ask(ctx, codeRoute, map[string]string{"topic": topic})
	if err != nil {
		var refused *answerError
		if errors.As(err, &refused) && refused.Code == answerNoTopic {
			return topicRoute{}, fmt.Errorf("%s: %w", topic, errNoTopic)
		}
		return topicRoute{}, err
	}
	return decodeRoute(got.body)
}

// masters asks for all brokers of all clusters that have a master.
func (n *nameServers) masters(ctx context.Context) (map[string]string, error) {
	got, err := n.ask(ctx, codeCluster, nil)
	if err != nil {
		return nil, err
	}
	var data struct {
		Brokers map[string]brokerData `json:"brokerAddrTable"`
	}
	if err := json.Unmarshal(numericKey.ReplaceAll(got.body, []byte(`$1"$2":`)), &data); err != nil {
		return nil, fmt.Errorf("table of brokers: %w", err)
	}
	all := map[string]string{}
	for name, b := range data.Brokers {
		if addr := b.BrokerAddrs[masterID]; addr != "" {
			all[name] = addr
		}
	}
	return all, nil
}

// createTopic makes a topic on a broker. The library's admin does not look at the answer.
func (w *wire) createTopic(ctx context.Context, addr, topic string, queues, perm int) error {
	_, err := w.call(ctx, addr, codeUpdateTopic, map[string]string{
		"topic": topic, "defaultTopic": "TBW102", "readQueueNums": strconv.Itoa(queues),
		"writeQueueNums": strconv.Itoa(queues), "perm": strconv.Itoa(perm), "topicFilterType": "SINGLE_TAG",
		"topicSysFlag": "0", "order": "false",
	}, nil)
	if err != nil {
		return fmt.Errorf("make topic %s: %w", topic, err)
	}
	return nil
}

// offsetWithin bounds the answer to a question for an offset. Those who read for an audit have no other bound.
const offsetWithin = 3 * time.Second

// offset asks a broker for the first or the next offset of a queue.
func (w *wire) offset(ctx context.Context, addr string, code int, q queue) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, offsetWithin)
	defer cancel()
	got, err := w.call(ctx, addr, code, map[string]string{"topic": q.topic, "queueId": strconv.Itoa(q.id)}, nil)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(got.Ext["offset"], 10, 64)
}

// health is what is known of one broker.
type health struct {
	until    time.Time // it gets no messages before; zero: it is well
	failures int
	broken   bool // a connection to it failed, so that its registration of our producer may be gone
	reason   string
}

// errBroken says that the connection to a broker broke while a half was under way. The library waits on.
var errBroken = errors.New("connection to the broker is broken")

// table is the routes and the brokers' health: who may get a message.
type table struct {
	mu     sync.Mutex
	topics map[string]topicRoute
	health map[string]*health       // by broker name
	own    map[queue]bool           // queues that this node reads
	breaks map[string]chan struct{} // by broker name; closed when a connection to it breaks
	lost   map[string]time.Time     // by topic: since when the name server does not know it
	turn   uint64
	err    error // why the routes are not fresh, or nil
}

func newTable() *table {
	return &table{
		topics: map[string]topicRoute{}, health: map[string]*health{}, own: map[queue]bool{},
		breaks: map[string]chan struct{}{}, lost: map[string]time.Time{},
	}
}

// set takes over a route. It reports whether there is something that a client may not know which was built before, a
// master or queues that can be written, and whether anything has changed.
func (t *table) set(topic string, r topicRoute) (fresh, changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.topics[topic]
	for broker, addr := range r.masters {
		fresh = fresh || old.masters[broker] != addr || r.write[broker] > old.write[broker]
	}
	changed = fresh || !maps.Equal(old.masters, r.masters) || !maps.Equal(old.write, r.write) ||
		!maps.Equal(old.read, r.read)
	t.topics[topic] = r
	return fresh, changed
}

// keepFor is how long the route of a topic is kept that the name server does not know any more: one that was restarted
// learns from the brokers within 30 s. Brokers that are really gone are shunned by what is sent to them.
const keepFor = time.Minute

// keep reports whether the route of such a topic is to be kept.
func (t *table) keep(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	since, known := t.lost[topic]
	if !known {
		since = time.Now()
		t.lost[topic] = since
	}
	return time.Since(since) < keepFor
}

// found says that the name server knows the topic.
func (t *table) found(topic string) {
	t.mu.Lock()
	delete(t.lost, topic)
	t.mu.Unlock()
}

func (t *table) route(topic string) topicRoute {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.topics[topic]
}

// readMine says which queues this node reads.
func (t *table) readMine(own map[queue]bool) {
	t.mu.Lock()
	t.own = own
	t.mu.Unlock()
}

// choose picks a queue of a healthy broker: one that this node reads, so that the node that decides usually drives;
// else any. Brokers alternate.
func (t *table) choose(topic string) (queue, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.topics[topic]
	now := time.Now()
	var near, far []queue
	for _, q := range r.writable(topic) {
		if h := t.health[q.broker]; h != nil && now.Before(h.until) {
			continue
		}
		if t.own[q] {
			near = append(near, q)
		} else {
			far = append(far, q)
		}
	}
	if len(near) == 0 {
		near = far
	}
	if len(near) == 0 {
		return queue{}, false
	}
	// In order of their number, so that neighbours are on different brokers.
	slices.SortFunc(near, func(a, b queue) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.broker, b.broker))
	})
	t.turn++
	return near[t.turn%uint64(len(near))], true
}

// open reports whether a message of the topic can go anywhere.
func (t *table) open(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	r := t.topics[topic]
	for broker := range r.write {
		if h := t.health[broker]; r.masters[broker] != "" && (h == nil || !now.Before(h.until)) {
			return true
		}
	}
	return false
}

// shun keeps messages from a broker for a while. A broken one is kept out until a probe has succeeded.
func (t *table) shun(broker string, d time.Duration, broken bool, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.health[broker]
	if h == nil {
		h = &health{}
		t.health[broker] = h
	}
	h.failures++
	h.broken = h.broken || broken
	h.reason = reason
	if c := t.breaks[broker]; broken && c != nil {
		close(c)
		delete(t.breaks, broker)
	}
	if until := time.Now().Add(d); until.After(h.until) {
		h.until = until
	}
}

// breaking returns a channel that is closed when a connection to the broker breaks.
func (t *table) breaking(broker string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.breaks[broker]
	if c == nil {
		c = make(chan struct{})
		t.breaks[broker] = c
	}
	return c
}

// welcome lets a broker take messages again, and reports whether its connection had been broken.
func (t *table) welcome(broker string) (wasBroken bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.health[broker]
	if h == nil {
		return false
	}
	delete(t.health, broker)
	return h.broken
}

// shunned lists the brokers that were failing, with their masters' addresses.
func (t *table) shunned(topic string) map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[string]string{}
	for broker := range t.health {
		if addr := t.topics[topic].masters[broker]; addr != "" {
			all[broker] = addr
		}
	}
	return all
}

// reason says why a topic cannot be written.
func (t *table) reason(topic string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, known := t.topics[topic]
	switch {
	case !known && t.err != nil:
		return t.err.Error()
	case !known:
		return "the route of topic " + topic + " is not known yet"
	case len(r.masters) == 0:
		return "no broker with topic " + topic + " has a master"
	case len(r.write) == 0:
		return "topic " + topic + " is not writable on any broker"
	}
	for _, broker := range slices.Sorted(maps.Keys(t.health)) {
		if h := t.health[broker]; h.reason != "" {
			return "broker " + broker + ": " + h.reason
		}
	}
	if t.err != nil {
		return t.err.Error()
	}
	return "no broker takes messages of topic " + topic
}

func (t *table) setErr(err error) {
	t.mu.Lock()
	t.err = err
	t.mu.Unlock()
}
