package redisfence

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/concord-tx/concord/client/fence"
)

func unconnected(t testing.TB) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	c := unconnected(t)
	if _, err := New(nil, Options{}); err == nil {
		t.Error("no client is taken")
	}
	for _, o := range []Options{
		{Prefix: "a{b}"}, {Retention: Retention{Events: -1}}, {Retention: Retention{Finished: time.Millisecond}},
	} {
		if _, err := New(c, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	s, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []fence.Key{{}, {XID: strings.Repeat("x", 129)}} {
		if _, err := s.Do(t.Context(), key, fence.Try, nil); err == nil {
			t.Errorf("%+v is taken", key)
		}
		if _, _, err := s.Eval(t.Context(), key, fence.Try, NewScript(""), nil); err == nil {
			t.Errorf("%+v is taken", key)
		}
	}
	if _, err := s.Do(t.Context(), fence.Key{XID: "x"}, 0, nil); err == nil {
		t.Error("no event is taken")
	}
}

func TestRecordsCarryTheHashTag(t *testing.T) {
	t.Parallel()
	s, err := New(unconnected(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := fence.Key{XID: "10.0.0.1:8091:7", Branch: 8}
	if got := s.Record(key); got != "concord:fence:8:10.0.0.1:8091:7" {
		t.Error(got)
	}
	if got := s.At("account:3").Record(key); got != "concord:fence:{account:3}:8:10.0.0.1:8091:7" {
		t.Error(got)
	}
}

func TestRecordsReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for s := fence.Tried; s <= fence.Consumed; s++ {
		if got, err := parse(format(s)); err != nil || got != s {
			t.Errorf("%s is read as %s, %v", s, got, err)
		}
	}
	for _, text := range []string{"0", "7", "10", "x", "1 "} {
		if got, err := parse(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

// TestTriesNeverExpire: a cancel that finds no record would leave their effect.
func TestTriesNeverExpire(t *testing.T) {
	t.Parallel()
	s, err := New(unconnected(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for state := fence.Absent; state <= fence.Consumed; state++ {
		if never := state <= fence.Tried; (s.keep(state) == 0) != never {
			t.Errorf("%s is kept for %s", state, s.keep(state))
		}
	}
}

// TestAnUnreachableServerIsAnError and work does not run.
func TestAnUnreachableServerIsAnError(t *testing.T) {
	t.Parallel()
	s, err := New(unconnected(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), fence.Key{XID: "x"}, fence.Try, nil); err == nil {
		t.Error("no error")
	}
	if _, _, err := s.Eval(t.Context(), fence.Key{XID: "x"}, fence.Try, NewScript("x()"), nil); err == nil {
		t.Error("no error")
	}
}
