package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLiveSettingsReplaceOwnOnes(t *testing.T) {
	t.Parallel()
	own := Default()
	got, err := own.With(map[string]string{"limits.lockWait": "1s", "retry.attempts": "7"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Limits.LockWait != time.Second || got.Retry.Attempts != 7 || own.Limits.LockWait == time.Second {
		t.Errorf("got %+v, own %v", got.Limits, own.Limits.LockWait)
	}
	if got.Runtime().LockWait != time.Second || got.Rules().Retry.Attempts != 7 {
		t.Error("the runtime is not given what was changed")
	}
	for key, value := range map[string]string{"limits.lockWait": "1h", "retry.first": "soon", "retry.max": "1ms"} {
		if _, err := own.With(map[string]string{key: value}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
	for _, key := range []string{"data", "no.such.key", "mysql.dsn"} {
		if _, err := own.With(map[string]string{key: "x"}); !errors.Is(err, ErrNotLive) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestLiveKeysCountAtRunTime(t *testing.T) {
	t.Parallel()
	other := map[string]string{"rocketmq.mode": "refuse"}
	for _, k := range Live() {
		own := Default()
		value := map[string]string{"duration": "2s", "number": "77"}[k.Type]
		switch {
		case other[k.Name] != "":
			continue // read by the decision log
		case k.Name == "retry.max" || k.Name == "retry.slowDelay":
			value = "77s"
		}
		changed, err := own.With(map[string]string{k.Name: value})
		if err != nil {
			t.Fatal(err)
		}
		if changed.Rules() == own.Rules() && changed.Runtime() == own.Runtime() {
			t.Errorf("%s changes nothing", k.Name)
		}
	}
}
