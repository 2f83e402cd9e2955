package rocketmq

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// fakeServer answers the remoting protocol as a test wants.
func fakeServer(t *testing.T, answer func(*command) *command) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			group.Go(func() {
				k := &link{conn: conn}
				for {
					req, err := readFrame(conn)
					if err != nil {
						return
					}
					got := answer(req)
					if got == nil {
						continue
					}
					got.Opaque, got.Flag = req.Opaque, responseFlag
					if k.write(context.Background(), got) != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, conn := range conns {
			_ = conn.Close()
		}
		mu.Unlock()
		group.Wait()
	})
	return listener.Addr().String()
}

// fakeCluster is a name server and a broker in one, which has the topics.
func fakeCluster(t *testing.T, version int, refuse string) string {
	t.Helper()
	var addr string
	addr = fakeServer(t, func(req *command) *command {
		got := &command{Version: version}
		switch req.Code {
		case codeCluster:
			got.body = []byte(`{"brokerAddrTable":{"b":{"brokerName":"b","brokerAddrs":{0:"` + addr + `"}}}}`)
		case codeRuntimeInfo:
			if refuse != "" {
				got.Code, got.Remark = 1, refuse
			}
		default:
			got.Code = answerNoTopic
		}
		return got
	})
	return addr
}

func optionsFor(t *testing.T, server string) Options {
	t.Helper()
	s := newMemStore(newDisk())
	t.Cleanup(s.crash)
	return Options{NameServers: []string{server}, Store: s}
}

func TestAStartThatFailsNamesTheKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(o *Options)
		want   string
	}{
		{"too old", func(o *Options) { o.NameServers = []string{fakeCluster(t, 300, "")} }, "older than RocketMQ 4.9"},
		{"credentials", func(o *Options) {
			o.NameServers = []string{fakeCluster(t, 453, "org.apache.rocketmq.acl.common.AclException: no")}
		}, "--rocketmq-access-key"},
		{"topics", func(o *Options) { o.NameServers = []string{fakeCluster(t, 453, "")} }, "--rocketmq-create-topics"},
		{"no port", func(o *Options) { o.NameServers = []string{"localhost"} }, "--rocketmq-namesrv"},
		{"no such host", func(o *Options) { o.NameServers = []string{"nowhere.invalid:9876"} }, "--rocketmq-namesrv"},
		{"no server", func(o *Options) { o.NameServers = nil }, "--rocketmq-namesrv"},
		{"prefix", func(o *Options) { o.Prefix = "a b" }, "--mq-prefix"},
		{"half a key", func(o *Options) { o.AccessKey = "a" }, "--rocketmq-secret-key"},
		{"no store", func(o *Options) { o.Store = nil }, "--store"},
	} {
		o := optionsFor(t, "127.0.0.1:1")
		tt.change(&o)
		l, err := Open(t.Context(), o)
		if err == nil {
			_ = l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want it to say %q", tt.name, err, tt.want)
		}
	}
}

func TestUnreachableServersAreNoFault(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Queue, Refuse} {
		o := optionsFor(t, "127.0.0.1:1")
		o.Mode = mode
		l, err := Open(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if err := l.Health(); err == nil || !strings.Contains(err.Error(), "--rocketmq-namesrv") {
			t.Errorf("%s: health %v", mode, err)
		}
		done := make(chan error, 1)
		l.Record(decideOne(t, o.Store.(*memStore)), func(err error) { done <- err })
		switch err := <-done; {
		case mode == Queue && err != nil:
			t.Errorf("mode queue: %v", err)
		case mode == Refuse && !errors.Is(err, orchestrator.ErrUnavailable):
			t.Errorf("mode refuse: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		l.Record(decideOne(t, o.Store.(*memStore)), func(err error) { done <- err })
		if err := <-done; !errors.Is(err, orchestrator.ErrStopped) {
			t.Errorf("%s: after Close: %v", mode, err)
		}
	}
}

// decideOne begins a transaction and makes the change that decides it.
func decideOne(t *testing.T, s *memStore) *orchestrator.Change {
	t.Helper()
	rules, now := txn.DefaultRules(), txn.MillisOf(time.Now())
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	id := int64(len(s.disk.globals) + 1)
	eff, err := rules.Apply(nil, txn.Begin{XID: txn.XID{Prefix: "h:1", ID: id}, Timeout: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	g := *eff.Next
	g.Version = 1
	s.disk.globals[id] = &g
	if eff, err = rules.Apply(&g, txn.Decide{Outcome: txn.Commit, Cause: txn.CauseRequested}, now); err != nil {
		t.Fatal(err)
	}
	next := *eff.Next
	next.Version++
	return &orchestrator.Change{Global: &next, Ended: eff.Ended}
}

func TestANodeWithoutItsLeaseRecordsNothing(t *testing.T) {
	t.Parallel()
	o := optionsFor(t, "127.0.0.1:1")
	o.Valid = func() bool { return false }
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	done := make(chan error, 1)
	l.Record(decideOne(t, o.Store.(*memStore)), func(err error) { done <- err })
	if err := <-done; !errors.Is(err, orchestrator.ErrNotMember) {
		t.Error(err)
	}
}

func TestRoutesAreReadWithKeysThatAreNumbers(t *testing.T) {
	t.Parallel()
	r, err := decodeRoute([]byte(`{"brokerDatas":[{"brokerAddrs":{0:"1.1.1.1:1",1:"1.1.1.1:2"},"brokerName":"a"},` +
		`{"brokerAddrs":{"1":"2.2.2.2:1"},"brokerName":"b"}],"queueDatas":[` +
		`{"brokerName":"a","perm":6,"readQueueNums":2,"writeQueueNums":1},` +
		`{"brokerName":"b","perm":4,"readQueueNums":2,"writeQueueNums":2}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.readable("t")) != 2 || len(r.writable("t")) != 1 || r.masters["a"] != "1.1.1.1:1" || r.masters["b"] != "" ||
		r.replicas["b"] != "2.2.2.2:1" {
		t.Errorf("%+v", r)
	}
	if _, err := decodeRoute([]byte(`{`)); err == nil {
		t.Error("half a route was read")
	}
}

// tableOf has a topic t with n queues on each of the brokers.
func tableOf(n int, brokers ...string) *table {
	r := topicRoute{masters: map[string]string{}, read: map[string]int{}, write: map[string]int{}}
	for _, b := range brokers {
		r.masters[b], r.read[b], r.write[b] = b+":1", n, n
	}
	t := newTable()
	t.set("t", r)
	return t
}

func TestQueuesAlternateBrokersAndShunFailingOnes(t *testing.T) {
	t.Parallel()
	tb := tableOf(4, "a", "b")
	last, used := "", map[queue]int{}
	for range 16 {
		q, ok := tb.choose("t")
		if !ok || q.broker == last {
			t.Fatalf("%v after %s", q, last)
		}
		last = q.broker
		used[q]++
	}
	if len(used) != 8 {
		t.Errorf("used %v", used)
	}
	tb.shun("a", time.Minute, false, "it fails")
	for range 16 {
		if q, ok := tb.choose("t"); !ok || q.broker != "b" {
			t.Fatalf("%v", q)
		}
	}
	tb.shun("b", time.Minute, false, "it fails too")
	if q, ok := tb.choose("t"); ok || tb.open("t") {
		t.Errorf("%v although all are failing", q)
	}
	if !strings.Contains(tb.reason("t"), "broker a: it fails") {
		t.Error(tb.reason("t"))
	}
	tb.welcome("a")
	tb.readMine(map[queue]bool{{"t", "a", 2}: true})
	for range 8 {
		if q, ok := tb.choose("t"); !ok || q != (queue{"t", "a", 2}) {
			t.Fatalf("%v is not a queue that we read", q)
		}
	}
}

func TestSelectorObeysTheChoice(t *testing.T) {
	t.Parallel()
	s := selector{tableOf(2, "a", "b")}
	queues := []*primitive.MessageQueue{{BrokerName: "a", QueueId: 0}, {BrokerName: "b", QueueId: 1}}
	m := primitive.NewMessage("t", nil)
	m.Queue = &primitive.MessageQueue{BrokerName: "b", QueueId: 1}
	if got := s.Select(m, queues, ""); got != queues[1] {
		t.Errorf("%v", got)
	}
	m.Queue = &primitive.MessageQueue{BrokerName: "gone"}
	if got := s.Select(m, queues, ""); got != nil {
		t.Errorf("%v for a broker that is gone", got)
	}
	m.Queue = nil
	s.table.shun("a", time.Minute, true, "")
	for range 4 {
		if got := s.Select(m, queues, ""); got != queues[1] {
			t.Errorf("%v is failing", got)
		}
	}
}

func TestBrokenConnectionsWakeThoseWhoWait(t *testing.T) {
	t.Parallel()
	tb := tableOf(1, "a")
	c := tb.breaking("a")
	tb.shun("a", time.Minute, false, "busy")
	select {
	case <-c:
		t.Fatal("busy is not broken")
	default:
	}
	tb.shun("a", time.Minute, true, "reset")
	<-c
	if !tb.broken("a") || !tb.welcome("a") {
		t.Error("nobody knows that it was broken")
	}
}

func TestLibraryWaitsAreShort(t *testing.T) {
	t.Parallel()
	var dial, write time.Duration
	look := reflect.MakeFunc(reflect.TypeFor[producer.Option](), func(args []reflect.Value) []reflect.Value {
		config := args[0].Elem().FieldByName("RemotingClientConfig").Elem()
		dial = time.Duration(config.FieldByName("ConnectionTimeout").Int())
		write = time.Duration(config.FieldByName("WriteTimeout").Int())
		return nil
	}).Interface().(producer.Option)
	for range 2 { // the default is shared by the process and must not have changed
		names := producer.WithNsResolver(primitive.NewPassthroughResolver([]string{"127.0.0.1:1"}))
		_, err := producer.NewDefaultProducer(names, producer.WithInstanceName(unique()), look)
		if err != nil || dial != 15*time.Second {
			t.Fatalf("%v, default dial %s", err, dial)
		}
		_, err = producer.NewDefaultProducer(names, producer.WithInstanceName(unique()), shortWaits(), look)
		if err != nil || dial != dialWithin || write > 5*time.Second {
			t.Fatalf("%v, dial %s, write %s", err, dial, write)
		}
	}
}

func TestLibraryLogHasNoPayloadsAndDoesNotExit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var c clientLog
	c.to.Store(slog.New(slog.NewTextHandler(&out, nil)))
	var l rlog.Logger = &c
	fields := map[string]any{
		"message": "secret payload", rlog.LogKeyUnderlayError: errors.New("why\nstack"), "broker": "b",
	}
	for range 1000 {
		l.Error("it failed", fields)
	}
	l.Error("executeLocalTransaction but state unexpected", fields)
	l.Fatal("fatal", fields)
	l.Debug("d", fields)
	l.Info("i", fields)
	l.Warning("w", fields)
	text := out.String()
	if strings.Contains(text, "secret") || strings.Contains(text, "stack") || strings.Count(text, "\n") != 2 ||
		!strings.Contains(text, "underlayError=why") || !strings.Contains(text, "broker=b") {
		t.Error(text)
	}
}

func TestResultsThatLookWellAreNot(t *testing.T) {
	t.Parallel()
	l := &Log{table: tableOf(1, "a")}
	p := &pack{queue: queue{"t", "a", 0}}
	result := func(s primitive.SendStatus, state primitive.LocalTransactionState) *primitive.TransactionSendResult {
		return &primitive.TransactionSendResult{SendResult: &primitive.SendResult{Status: s}, State: state}
	}
	if sent, err := l.judge(p, 1, result(primitive.SendOK, primitive.CommitMessageState), nil); !sent || err != nil {
		t.Error(sent, err)
	}
	for _, s := range []primitive.SendStatus{
		primitive.SendFlushDiskTimeout, primitive.SendFlushSlaveTimeout, primitive.SendSlaveNotAvailable,
	} {
		l.table.welcome("a")
		sent, err := l.judge(p, 1, result(s, primitive.RollbackMessageState), nil)
		if sent || !errors.Is(err, errStatus) || l.table.open("t") {
			t.Errorf("%s: %t, %v", statusText(s), sent, err)
		}
	}
	if sent, err := l.judge(p, 1, result(primitive.SendOK, primitive.UnknowState), nil); sent || err == nil {
		t.Error(sent, err)
	}
	for text, broken := range map[string]bool{
		"dial tcp 1.1.1.1:1: connect: connection refused": true, "request timeout": true, "CODE: 2, DESC: busy": false,
		"CODE: 1, DESC: x": false, "CODE: 14, DESC: x": false,
	} {
		l.table.welcome("a")
		if sent, err := l.judge(p, 1, nil, errors.New(text)); sent || err == nil || l.table.broken("a") != broken {
			t.Errorf("%s: %t, %v", text, sent, err)
		}
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	l := &Log{}
	l.outbox.wake, l.local.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	for id := range int64(leftMax + 10) {
		l.unpublished(&pack{members: []decision{{}}, entries: []orchestrator.OutboxEntry{{ID: id, Event: []byte("e")}}})
	}
	if l.outbox.len() != leftMax || !l.outbox.overflow || len(l.local.take()) != leftMax+10 {
		t.Errorf("%d are remembered", l.outbox.len())
	}
	l.outbox.forget([]int64{1, 2, 3})
	all, overflow := l.outbox.take()
	if len(all) != leftMax-3 || !overflow || l.outbox.bytes != 0 {
		t.Errorf("%d taken, %d bytes left", len(all), l.outbox.bytes)
	}
	var a answers
	for i := range answersMax + 100 {
		a.add(orchestrator.PackID(rune(i)))
	}
	if len(a.known) > answersMax || a.has(orchestrator.PackID(rune(1))) {
		t.Errorf("%d answers", len(a.known))
	}
	var n noise
	for i := range 10_000 {
		n.first(string(rune(i)))
	}
	if len(n.last) > textsMax {
		t.Errorf("%d texts", len(n.last))
	}
}

func TestLagIsThatOfTheOldestMessageNotSeen(t *testing.T) {
	t.Parallel()
	tb := tableOf(2, "a")
	tb.readMine(map[queue]bool{{"t", "a", 0}: true})
	g := lag{max: time.Millisecond}
	var s stats
	g.sent("other", queue{"t", "a", 1}, tb)
	if g.oldest() != 0 {
		t.Error("a queue of another node is followed")
	}
	g.sent("one", queue{"t", "a", 0}, tb)
	g.sent("two", queue{"t", "a", 0}, tb)
	for id := range g.since {
		g.since[id] = committed{queue{"t", "a", 0}, time.Now().Add(-time.Second)}
	}
	if !g.late() {
		t.Error("a message is waited for since a second")
	}
	g.seen("one", &s)
	g.seen("one", &s)
	if s.lagCount.Load() != 1 || !g.late() {
		t.Error("two is still waited for")
	}
	g.drop("a")
	if g.late() || g.oldest() != 0 {
		t.Error("a broker that is gone is waited for")
	}
}

func TestMalformedMessagesAreAnError(t *testing.T) {
	t.Parallel()
	var body bytes.Buffer
	_ = binary.Write(&body, binary.BigEndian, int32(1<<30))
	_, _ = io.WriteString(&body, strings.Repeat("\xff", 100))
	if got, err := decodeMessages(body.Bytes()); err == nil && len(got) > 100 {
		t.Errorf("%d messages", len(got))
	}
}

func TestHeartbeatsAreWhatBrokersRead(t *testing.T) {
	t.Parallel()
	topics := []string{CommitTopic("p"), RollbackTopic("p")}
	c := &member{group: Group("p"), clientID: "id", topics: func() []string { return topics }}
	var got struct {
		ClientID string `json:"clientID"`
		Data     []struct {
			GroupName    string `json:"groupName"`
			Subscription []struct {
				Topic string `json:"topic"`
			} `json:"subscriptionDataSet"`
		} `json:"consumerDataSet"`
	}
	if err := json.Unmarshal(c.heartbeat(), &got); err != nil {
		t.Fatal(err)
	}
	if got.ClientID != "id" || got.Data[0].GroupName != "p-coordinator" || len(got.Data[0].Subscription) != 2 {
		t.Errorf("%+v", got)
	}
}
