package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"github.com/concord-tx/concord/orchestrator"
)

// The library, and what has to be done so that it can be relied on. DEFECTS.md has the list.

const (
	// ackWithin is the longest that a half may take to be acknowledged. The library's own limit is 3 s.
	ackWithin = 4 * time.Second
	// retireAfter is how long a producer that was replaced may finish what it has begun.
	retireAfter = 8 * time.Second
	// publishersMax bounds the ordinary messages that are under way.
	publishersMax = 64
	// compressOver is the size from which the library compresses what we have not: events that are not like each other.
	compressOver = 256 << 10
)

// client is one pair of the library's producers. When masters change it is replaced, because the library would not
// notice for up to 30 s, and because a broker only asks producers that have registered with it.
type client struct {
	tx       rocketmq.TransactionProducer
	ordinary rocketmq.Producer
	masters  map[string]string
	retire   sync.Once
}

// newClient makes producers that have an identity of their own: the library shares everything between those of one
// instance name, and installs the check-back handler of the one that came first.
func (l *Log) newClient(masters map[string]string) (*client, error) {
	options := func(role, group string) []producer.Option {
		all := []producer.Option{
			producer.WithNsResolver(primitive.NewPassthroughResolver(l.names.order())),
			producer.WithGroupName(group),
			producer.WithInstanceName(l.opts.Instance + "-" + role + "-" + unique()),
			producer.WithRetry(0),
			producer.WithQueueSelector(selector{l.table}),
			producer.WithCompressMsgBodyOverHowmuch(compressOver),
			producer.WithCompressLevel(1),
			shortWaits(),
		}
		if l.opts.AccessKey != "" {
			all = append(all, producer.WithCredentials(primitive.Credentials{
				AccessKey: l.opts.AccessKey, SecretKey: l.opts.SecretKey,
			}))
		}
		return all
	}
	tx, err := rocketmq.NewTransactionProducer(listener{l}, options("tx", producerGroup(l.opts.Prefix))...)
	if err != nil {
		return nil, fmt.Errorf("make transactional producer: %w", err)
	}
	ordinary, err := rocketmq.NewProducer(options("out", l.opts.Prefix+"-publisher")...)
	if err != nil {
		return nil, fmt.Errorf("make producer: %w", err)
	}
	if err := tx.Start(); err != nil { // not shut down: that would unregister somebody else
		return nil, fmt.Errorf("start transactional producer: %w", err)
	}
	if err := ordinary.Start(); err != nil {
		_ = tx.Shutdown() // always nil
		return nil, fmt.Errorf("start producer: %w", err)
	}
	return &client{tx: tx, ordinary: ordinary, masters: maps.Clone(masters)}, nil
}

// close ends both producers. The library neither drains nor waits, so nothing may be under way.
func (c *client) close() {
	c.retire.Do(func() {
		_ = c.tx.Shutdown() // always nil
		_ = c.ordinary.Shutdown()
	})
}

// shortWaits is an option that the library lacks: a dial holds a lock that every send takes, and may last 15 s; a
// write to a peer that does not read may last 120 s. The fields are exported, their types are not.
func shortWaits() producer.Option {
	made := reflect.MakeFunc(reflect.TypeFor[producer.Option](), func(args []reflect.Value) []reflect.Value {
		if field := args[0].Elem().FieldByName("RemotingClientConfig"); field.IsValid() && field.CanSet() {
			config := reflect.New(field.Type().Elem())
			for name, d := range map[string]time.Duration{
				"ConnectionTimeout": dialWithin, "WriteTimeout": 3 * time.Second, "ReadTimeout": 2 * time.Minute,
			} {
				config.Elem().FieldByName(name).Set(reflect.ValueOf(d))
			}
			field.Set(config)
		}
		return nil
	})
	return made.Interface().(producer.Option)
}

// selector sends a message to the queue that was chosen for it; one without to a healthy broker.
type selector struct{ table *table }

// Select implements the library's QueueSelector. nil fails the send at once.
func (s selector) Select(m *primitive.Message, queues []*primitive.MessageQueue, _ string) *primitive.MessageQueue {
	if m.Queue != nil {
		i := slices.IndexFunc(queues, func(q *primitive.MessageQueue) bool {
			return q.BrokerName == m.Queue.BrokerName && q.QueueId == m.Queue.QueueId
		})
		if i < 0 {
			return nil
		}
		return queues[i]
	}
	return s.table.pick(queues)
}

// pick chooses among queues of any topic, those of healthy brokers first.
func (t *table) pick(queues []*primitive.MessageQueue) *primitive.MessageQueue {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	well := slices.DeleteFunc(slices.Clone(queues), func(q *primitive.MessageQueue) bool {
		h := t.health[q.BrokerName]
		return h != nil && now.Before(h.until)
	})
	if len(well) == 0 {
		well = queues
	}
	if len(well) == 0 {
		return nil
	}
	t.turn++
	return well[t.turn%uint64(len(well))]
}

// The failures of sends that are told apart.
var (
	errNoBroker = errors.New("no broker takes messages")
	errLate     = errors.New("no answer to the half message in time")
	errStatus   = errors.New("broker has stored the message only in part")
	errUnsure   = errors.New("store has not answered in time, the broker will ask")
	errPanic    = errors.New("client library panicked")
)

// half sends the half message of a pack, whose local transaction is the store's write, and its end. sent is true only
// if the half is wholly stored and the commit was sent; err is nil when the pack was refused.
func (l *Log) half(p *pack) (sent bool, err error) {
	c := l.client.Load()
	q, ok := l.table.choose(p.key.topic)
	if c == nil || !ok {
		return false, errNoBroker
	}
	p.queue = q
	m := l.message(p)
	size := bodySize(p.entries)
	type outcome struct {
		result *primitive.TransactionSendResult
		err    error
	}
	ended := make(chan outcome, 1)
	l.work.Go(func() {
		var o outcome
		o.result, o.err = transact(c.tx, m)
		ended <- o
	})
	timer := time.NewTimer(ackWithin)
	defer timer.Stop()
	acked, broken := p.acked, l.table.breaking(q.broker)
	for {
		select {
		case o := <-ended:
			return l.judge(p, size, o.result, o.err)
		case <-acked:
			acked = nil
			timer.Reset(executeWithin + ackWithin)
		case <-broken: // the library would wait for its 3 s
			l.lag.drop(q.broker)
			return false, errBroken
		case <-timer.C:
			l.stats.late.Add(1)
			l.table.shun(q.broker, probeAfter, true, errLate.Error())
			return false, errLate
		}
	}
}

// transact calls the library, which dereferences what may be nil.
func transact(tx rocketmq.TransactionProducer, m *primitive.Message) (r *primitive.TransactionSendResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	r, err = tx.SendMessageInTransaction(context.Background(), m)
	if err == nil && (r == nil || r.SendResult == nil) {
		err = errPanic
	}
	return r, err
}

// judge reads the library's result. No error means little: a half that was stored in part is rolled back silently.
func (l *Log) judge(p *pack, size int, r *primitive.TransactionSendResult, err error) (sent bool, _ error) {
	broker := p.queue.broker
	if err != nil {
		return false, l.blame(p.queue, size, len(p.entries), err)
	}
	if r.Status != primitive.SendOK {
		err := fmt.Errorf("broker %s: %w (%s)", broker, errStatus, statusText(r.Status))
		l.table.shun(broker, probeAfter, false, err.Error())
		return false, err
	}
	switch r.State {
	case primitive.CommitMessageState:
		return true, nil
	case primitive.RollbackMessageState:
		return false, nil
	default:
		return false, errUnsure
	}
}

func statusText(s primitive.SendStatus) string {
	switch s {
	case primitive.SendFlushDiskTimeout:
		return "flush to disk timed out"
	case primitive.SendFlushSlaveTimeout:
		return "copy to the slave timed out"
	case primitive.SendSlaveNotAvailable:
		return "slave is not available"
	default:
		return "status " + strconv.Itoa(int(s))
	}
}

// codeText finds the broker's answer in the text of an error; the library keeps it nowhere else.
var codeText = regexp.MustCompile(`CODE: (\d+)`)

// The answers to a send that are told apart. Source: ResponseCode.java.
const (
	sendSystemError  = 1
	sendBusy         = 2
	sendIllegal      = 13
	sendUnavailable  = 14
	sendNoPermission = 16
	sendNoTopic      = 17
)

// probeAfter is how long a failing broker is left alone if no probe succeeds before.
const probeAfter = 30 * time.Second

// blame finds out what a failed send says of the broker, and says it in our words.
func (l *Log) blame(q queue, size, decisions int, err error) error {
	code := -1
	if found := codeText.FindStringSubmatch(err.Error()); found != nil {
		code, _ = strconv.Atoi(found[1])
	}
	text := firstLine(err.Error())
	switch {
	case code == sendIllegal && strings.Contains(text, "body size"), code == sendIllegal && size > 64<<10:
		err = fmt.Errorf("broker %s refuses a message of %d bytes: raise its maxMessageSize or lower the pack size: %s",
			q.broker, size, text)
		if decisions > 1 {
			l.learnLimit(size / 2)
		} else {
			text := err.Error()
			l.stats.tooLarge.Store(&text)
		}
		return err
	case strings.Contains(text, "AclException"), code == sendNoPermission && strings.Contains(text, "ccess"):
		err = fmt.Errorf("broker %s refuses us; check --rocketmq-access-key and --rocketmq-secret-key: %s", q.broker, text)
		l.table.shun(q.broker, time.Second, false, err.Error())
		return err
	case code == sendBusy:
		l.table.shun(q.broker, 200*time.Millisecond, false, text)
	case code == sendNoTopic, code == sendNoPermission, code == sendIllegal:
		err = fmt.Errorf("broker %s refuses topic %s: %s", q.broker, q.topic, text)
		l.table.shun(q.broker, time.Second, false, err.Error())
		return err
	case code >= 0, strings.Contains(text, "route info not found"): // the latter is the library's own fault
		l.table.shun(q.broker, time.Second, false, text)
	default: // the connection, or no answer
		l.table.shun(q.broker, probeAfter, true, text)
	}
	return fmt.Errorf("broker %s: %s", q.broker, text)
}

// probe sends a half to a broker and rolls it back: proof that it takes messages, and our registration with it. It
// changes nothing of what is known of the broker.
func (l *Log) probe(c *client, broker string) error {
	topic := l.opts.topics()[0]
	m := primitive.NewMessage(topic, []byte("[]"))
	m.Queue = &primitive.MessageQueue{Topic: topic, BrokerName: broker}
	m.WithProperties(map[string]string{propertyProbe: "1"})
	ended := make(chan error, 1)
	l.work.Go(func() {
		r, err := transact(c.tx, m)
		if err == nil && r.Status != primitive.SendOK {
			err = fmt.Errorf("%w (%s)", errStatus, statusText(r.Status))
		}
		ended <- err
	})
	timer := time.NewTimer(ackWithin)
	defer timer.Stop()
	select {
	case err := <-ended:
		if err != nil {
			err = fmt.Errorf("broker %s: %s", broker, firstLine(err.Error()))
		}
		return err
	case <-timer.C:
		return errLate
	}
}

// Publish sends an ordinary message to any topic, for branches that are reached by message. done is called with nil
// only if the broker has wholly stored it; with [orchestrator.ErrBusy] if too many are under way and
// [orchestrator.ErrUnavailable] if there is no broker; another error leaves the outcome unknown. Delays are not among
// the properties that may be set.
func (l *Log) Publish(topic, tag, key string, body []byte, props map[string]string, done func(error)) {
	select {
	case l.publishers <- struct{}{}:
	default:
		go done(orchestrator.ErrBusy)
		return
	}
	started := l.spawn(func() {
		ended := make(chan error, 1)
		l.work.Go(func() {
			defer func() { <-l.publishers }()
			ended <- l.sendOrdinary(topic, tag, key, body, props)
		})
		timer := time.NewTimer(ackWithin)
		defer timer.Stop()
		select {
		case err := <-ended:
			done(err)
		case <-timer.C:
			done(fmt.Errorf("publish to %s: %w", topic, errLate))
		}
	})
	if !started {
		<-l.publishers
		go done(orchestrator.ErrStopped)
	}
}

func (l *Log) sendOrdinary(topic, tag, key string, body []byte, props map[string]string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	c := l.client.Load()
	if c == nil {
		return orchestrator.ErrUnavailable
	}
	all := map[string]string{}
	for name, value := range props {
		if !reservedProperty(name) && value != "" {
			all[name] = value
		}
	}
	if tag != "" {
		all[primitive.PropertyTags] = tagOf(tag)
	}
	if key != "" {
		all[primitive.PropertyKeys] = key
	}
	m := primitive.NewMessage(topic, body)
	m.WithProperties(all)
	r, err := c.ordinary.SendSync(context.Background(), m)
	switch {
	case err != nil:
		return fmt.Errorf("publish to %s: %s", topic, firstLine(err.Error()))
	case r.Status != primitive.SendOK:
		return fmt.Errorf("publish to %s: %w (%s)", topic, errStatus, statusText(r.Status))
	}
	return nil
}

// reservedProperty reports whether a property has a meaning for the broker. Delays among them are not for our
// messages; the others would make it do something else than store the message.
func reservedProperty(name string) bool {
	return slices.Contains([]string{
		"DELAY", "TIMER_DELIVER_MS", "TIMER_DELAY_SEC", "TIMER_DELAY_MS", "TIMER_DEL_UNIQKEY", "TRAN_MSG", "PGROUP",
		"REAL_TOPIC", "REAL_QID", "UNIQ_KEY", "__transactionId__", "WAIT", "RETRY_TOPIC", "CHECK_IMMUNITY_TIME_IN_SECONDS",
		"MSG_TYPE", "KEYS", "TAGS",
	}, name)
}
