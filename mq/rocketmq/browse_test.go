package rocketmq

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator"
)

// TestLookingWithoutServersEnds: and leaves nothing behind, which the leak check sees.
func TestLookingWithoutServersEnds(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{address, "no port", "nowhere.invalid:1"} {
		o := ReadOptions{NameServers: []string{server}, Prefix: "p", Topics: []string{CommitTopic("p")}}
		follow := Follow(t.Context(), o, nil, func(Step) error { return nil })
		dead := NewDeadLetters(o, &someDocuments{})
		_, groups := dead.Groups(t.Context())
		_, _, list := dead.List(t.Context(), "mail", nil, 10)
		replay := dead.Replay(t.Context(), "mail", Place{Broker: "b"})
		for i, err := range []error{follow, groups, list, replay} {
			if !errors.Is(err, orchestrator.ErrUnavailable) {
				t.Errorf("%s %d: %v", server, i, err)
			}
		}
		if err := Find(t.Context(), o, "x", func(Message) {}); err == nil {
			t.Errorf("%s: found", server)
		}
	}
}

func TestPlacesAreReadBack(t *testing.T) {
	t.Parallel()
	p := Place{"concord-commit", "broker-a", 3, 42}
	if got, ok := ParsePlace(p.String()); !ok || got != p {
		t.Errorf("%v %t", got, ok)
	}
	for _, text := range []string{"", "a/b/c/d", "a/b/1", "a/b/-1/2", "a/b/1/-2", "/b/1/2", "a/b/1/2/3"} {
		if p, ok := ParsePlace(text); ok {
			t.Errorf("%q is read as %v", text, p)
		}
	}
}

func TestReadingBeginsAtThePlace(t *testing.T) {
	t.Parallel()
	order := []string{"commit", "rollback"}
	p := &Place{"rollback", "b", 2, 7}
	for _, tt := range []struct {
		q      queue
		offset int64
		over   bool
	}{
		{queue{"commit", "z", 9}, 0, true},
		{queue{"rollback", "a", 9}, 0, true},
		{queue{"rollback", "b", 1}, 0, true},
		{queue{"rollback", "b", 2}, 7, false},
		{queue{"rollback", "b", 3}, 0, false},
		{queue{"rollback", "c", 0}, 0, false},
	} {
		if offset, over := p.begin(tt.q, order); offset != tt.offset || over != tt.over {
			t.Errorf("%v: %d %t", tt.q, offset, over)
		}
	}
	if offset, over := (*Place)(nil).begin(queue{"commit", "a", 0}, order); offset != 0 || over {
		t.Errorf("%d %t", offset, over)
	}
}

// Brokers that were updated have topics of dead letters which nobody may read: other people's, perhaps.
func TestAGroupWhoseLettersMayNotBeReadHidesNoOther(t *testing.T) {
	t.Parallel()
	var addr string
	addr = fakeServer(t, func(req *command) *command {
		perm := map[string]string{deadPrefix + "mail": "6", deadPrefix + "old": "2"}[req.Ext["topic"]]
		switch req.Code {
		case codeTopics:
			return &command{body: []byte(`{"topicList":["%DLQ%old","%DLQ%mail","x"]}`)}
		case codeRoute:
			if perm == "" {
				return &command{Code: answerNoTopic}
			}
			return &command{body: []byte(`{"brokerDatas":[{"brokerName":"b","brokerAddrs":{0:"` + addr + `"}}],` +
				`"queueDatas":[{"brokerName":"b","perm":` + perm + `,"readQueueNums":1,"writeQueueNums":1}]}`)}
		case codeMinOffset:
			return &command{Ext: map[string]string{"offset": "5"}}
		case codeMaxOffset:
			return &command{Ext: map[string]string{"offset": "9"}}
		}
		return &command{Code: 1, Remark: "not expected"}
	})
	d := NewDeadLetters(ReadOptions{NameServers: []string{addr}}, &someDocuments{})
	groups, err := d.Groups(t.Context())
	if err != nil || !slices.Equal(groups, []LetterGroup{{"mail", 4}, {"old", 4}}) {
		t.Errorf("%+v %v", groups, err)
	}
	if _, _, err := d.List(t.Context(), "old", nil, 10); err == nil || !strings.Contains(err.Error(), "updateTopicPerm") {
		t.Errorf("what to do about it: %v", err)
	}
}
