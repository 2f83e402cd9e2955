package rocketmq

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
)

// member is this node in a consumer group, registered with each broker that has a topic of the group.
type member struct {
	log             *Log
	group, clientID string
	topics          func() []string
}

func newMember(l *Log, group string, topics func() []string) *member {
	return &member{log: l, group: group, clientID: "concord@" + l.opts.Instance + "-" + unique(), topics: topics}
}

// share registers with a broker and returns which of its queues are this node's. ok is false if the broker does not
// say, perhaps with an error: then nothing changes.
func (m *member) share(ctx context.Context, broker, addr string, queues []queue) (mine []queue, ok bool, err error) {
	members, err := m.members(ctx, addr)
	if err != nil || !slices.Contains(members, m.clientID) {
		return nil, false, err
	}
	return m.assigned(members, broker, queues), true, nil
}

// assigned returns which of the queues are this node's, one of the members: each gets as many as the others, and who
// begins follows from the key.
func (m *member) assigned(members []string, key string, queues []queue) (mine []queue) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	at := slices.Index(members, m.clientID)
	for i, q := range queues {
		if (i+int(h.Sum32()%1024))%len(members) == at {
			mine = append(mine, q)
		}
	}
	return mine
}

// members sends a heartbeat and asks for the consumers of the group.
func (m *member) members(ctx context.Context, addr string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if _, err := m.log.wire.call(ctx, addr, codeHeartbeat, nil, m.heartbeat()); err != nil {
		return nil, err
	}
	got, err := m.log.wire.call(ctx, addr, codeConsumerList, map[string]string{"consumerGroup": m.group}, nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		IDs []string `json:"consumerIdList"`
	}
	if err := json.Unmarshal(got.body, &list); err != nil {
		return nil, fmt.Errorf("list of consumers: %w", err)
	}
	slices.Sort(list.IDs)
	return list.IDs, nil
}

// heartbeat is what a broker has to know of this consumer. Source: remoting/protocol/heartbeat.
func (m *member) heartbeat() []byte {
	type subscription struct {
		Topic          string   `json:"topic"`
		SubString      string   `json:"subString"`
		TagsSet        []string `json:"tagsSet"`
		CodeSet        []int    `json:"codeSet"`
		SubVersion     int64    `json:"subVersion"`
		ExpressionType string   `json:"expressionType"`
	}
	type consumerData struct {
		GroupName           string         `json:"groupName"`
		ConsumeType         string         `json:"consumeType"`
		MessageModel        string         `json:"messageModel"`
		ConsumeFromWhere    string         `json:"consumeFromWhere"`
		SubscriptionDataSet []subscription `json:"subscriptionDataSet"`
		UnitMode            bool           `json:"unitMode"`
	}
	data := consumerData{
		GroupName: m.group, ConsumeType: "CONSUME_PASSIVELY", MessageModel: "CLUSTERING",
		ConsumeFromWhere: "CONSUME_FROM_FIRST_OFFSET",
	}
	for _, topic := range m.topics() {
		data.SubscriptionDataSet = append(data.SubscriptionDataSet, subscription{
			Topic: topic, SubString: "*", TagsSet: []string{}, CodeSet: []int{}, SubVersion: 1, ExpressionType: "TAG",
		})
	}
	all, _ := json.Marshal(map[string]any{ // plain data
		"clientID": m.clientID, "consumerDataSet": []consumerData{data}, "producerDataSet": []string{},
	})
	return all
}

// leave ends the registration, so that other nodes take over at once.
func (m *member) leave(addrs map[string]bool) {
	var group sync.WaitGroup
	for addr := range addrs {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), askWithin)
			defer cancel()
			_, _ = m.log.wire.call(ctx, addr, codeUnregister, map[string]string{ // it would be noticed anyhow
				"clientID": m.clientID, "consumerGroup": m.group,
			}, nil)
		})
	}
	group.Wait()
}
