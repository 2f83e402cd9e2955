package rocketmq

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQueuesOfBrokersThatAnswerAreTold(t *testing.T) {
	t.Parallel()
	quiet := fakeServer(t, func(*command) *command { return nil })
	committed := map[string]string{"0": "7", "1": "3"} // the third has none
	var addr string
	addr = fakeServer(t, func(req *command) *command {
		switch req.Code {
		case codeRoute:
			return &command{body: []byte(`{"brokerDatas":[{"brokerName":"b","brokerAddrs":{0:"` + quiet + `"}},` +
				`{"brokerName":"c","brokerAddrs":{1:"` + quiet + `"}},{"brokerName":"a","brokerAddrs":{0:"` + addr + `"}}],` +
				`"queueDatas":[{"brokerName":"a","perm":6,"readQueueNums":3,"writeQueueNums":3},` +
				`{"brokerName":"c","perm":6,"readQueueNums":1,"writeQueueNums":1},` +
				`{"brokerName":"b","perm":6,"readQueueNums":1,"writeQueueNums":1}]}`)}
		case codeQueryOffset:
			if at := committed[req.Ext["queueId"]]; at != "" && req.Ext["consumerGroup"] == "g" {
				return &command{Ext: map[string]string{"offset": at}}
			}
			return &command{Code: answerQueryNone}
		case codeMinOffset:
			return &command{Ext: map[string]string{"offset": "5"}}
		case codeMaxOffset:
			return &command{Ext: map[string]string{"offset": "9"}}
		}
		return &command{Code: 1, Remark: "not expected"}
	})
	o := ReadOptions{NameServers: []string{addr}, Topics: []string{"t", "s"}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	got, silent, err := Queues(ctx, o, "g")
	if err != nil {
		t.Fatal(err)
	}
	var want []QueueState
	for _, topic := range o.Topics {
		for id, at := range []int64{7, 3, -1} {
			want = append(want, QueueState{Topic: topic, Broker: "a", Queue: id, Oldest: 5, End: 9, Committed: at})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i, lag := range []int64{2, 4, 4} {
		if got[i].Lag() != lag {
			t.Errorf("queue %d: %d, want %d", i, got[i].Lag(), lag)
		}
	}
	if len(silent) != 2 || silent[0].Broker != "b" || silent[1] != (SilentBroker{"c", "broker has no master"}) ||
		!strings.Contains(silent[0].Reason, "deadline") {
		t.Errorf("%+v", silent)
	}
	if _, _, err := Queues(ctx, ReadOptions{NameServers: []string{quiet}, Topics: []string{"t"}}, "g"); err == nil {
		t.Error("no name server has answered")
	}
}
