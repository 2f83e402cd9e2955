package tc

import (
	"strconv"
	"testing"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// The vector is that of seata-protocol.md, 5.2, made with Seata's own signer.
const (
	vectorSecret = "my-secret"
	vectorDigest = "c2k3Yal+UMcKYaRhPDV2bSyqT+nGeRi9/pk2NB6YxzM="
	vectorMillis = 1700000000000
)

func signed(change func(*seata.ExtraData)) string {
	e := seata.ExtraData{
		AccessKey: "key", Digest: vectorDigest, Timestamp: strconv.Itoa(vectorMillis), AuthVersion: "V4",
		VGroup: "default_tx_group", IP: "10.0.0.5",
	}
	if change != nil {
		change(&e)
	}
	return e.String()
}

func authFixture(t *testing.T, mode AuthMode, at time.Duration) *fixture {
	return setup(t, func(o *Options) {
		o.Auth, o.Keys = mode, map[string]string{"key": vectorSecret, "empty": ""}
		o.Now = func() time.Time { return time.UnixMilli(vectorMillis).Add(at) }
	})
}

func TestSignature(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at   time.Duration
		data string
		ok   bool
	}{
		"valid":         {0, signed(nil), true},
		"4 min old":     {4 * time.Minute, signed(nil), true},
		"6 min old":     {6 * time.Minute, signed(nil), false},
		"from tomorrow": {-6 * time.Minute, signed(nil), false},
		"no key":        {0, signed(func(e *seata.ExtraData) { e.AccessKey = "" }), false},
		"unknown key":   {0, signed(func(e *seata.ExtraData) { e.AccessKey = "other" }), false},
		"key, no secret": {0, signed(func(e *seata.ExtraData) {
			e.AccessKey, e.Digest = "empty", seata.Sign(e.SignedText(), "", vectorMillis)
		}), false},
		"wrong digest": {0, signed(func(e *seata.ExtraData) { e.Digest = "x" + e.Digest[1:] }), false},
		"other group":  {0, signed(func(e *seata.ExtraData) { e.VGroup = "mine" }), false},
		"nothing":      {0, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := authFixture(t, AuthEnforce, c.at)
			tm := f.dial(t)
			tm.send(seata.RequestSync, &seata.RegisterTMRequest{Version: "1.8.0", ApplicationID: "orders", ExtraData: c.data})
			if m := tm.next().Message.(*seata.RegisterTMResponse); m.Identified != c.ok {
				t.Fatalf("identified %v", m.Identified)
			}
			if !c.ok {
				tm.closed()
			}
			if n := f.Stats().AuthFailures; (n == 0) != c.ok {
				t.Errorf("%d failures", n)
			}
		})
	}
}

func TestRMNeedsAnAcceptedTM(t *testing.T) {
	t.Parallel()
	f := authFixture(t, AuthEnforce, 0)
	rm := &seata.RegisterRMRequest{Version: "1.8.0", ApplicationID: "orders", ResourceIDs: "r"}
	early := f.dial(t)
	early.send(seata.RequestSync, rm)
	if m := early.next().Message.(*seata.RegisterRMResponse); m.Identified {
		t.Error("RM was accepted before its TM")
	}
	early.closed()
	tm := f.dial(t)
	tm.call(&seata.RegisterTMRequest{Version: "1.8.0", ApplicationID: "orders", ExtraData: signed(nil)})
	f.dial(t).rm("1.8.0", "orders", "r")
	for _, c := range []*client{f.dialFrom(t, "127.0.0.2"), f.dial(t)} {
		msg := *rm
		if c.conn.LocalAddr().String()[:9] == "127.0.0.1" {
			msg.ApplicationID = "other"
		}
		c.send(seata.RequestSync, &msg)
		if m := c.next().Message.(*seata.RegisterRMResponse); m.Identified {
			t.Error("RM of another application or address was accepted")
		}
		c.closed()
	}
}

func TestLogModeAcceptsAndTells(t *testing.T) {
	t.Parallel()
	f := authFixture(t, AuthLog, 0)
	f.dial(t).tm("1.8.0", "orders").call(&seata.GlobalBeginRequest{})
	f.dial(t).rm("1.8.0", "orders", "r")
	if f.Stats().AuthFailures != 2 || f.log.count("registration would be refused") != 2 {
		t.Errorf("%d failures", f.Stats().AuthFailures)
	}
}
