//go:build parts

package redisfence

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client/fence"
)

var errCrash = errors.New("crash")

func families() [][]fence.Event {
	return [][]fence.Event{
		{fence.Try, fence.Confirm, fence.Cancel},
		{fence.Action, fence.Compensation},
		{fence.Consume, fence.Forbid},
	}
}

// way is one of the two ways to run work: it counts an effect of an event, and then fails if it is told to.
type way func(ctx context.Context, s *Store, key fence.Key, event fence.Event, fails bool) (fence.Verdict, error)

func effect(key fence.Key, event fence.Event) string {
	return fmt.Sprintf("effect:%s/%d:%s", key.XID, key.Branch, event)
}

func ways() map[string]way {
	script := NewScript("if ARGV[1] == 'fail' then return redis.error_reply('never seen') end\n" +
		"return redis.call('INCR', KEYS[1]) -- a comment without end")
	return map[string]way{
		"multi": func(ctx context.Context, s *Store, key fence.Key, event fence.Event, fails bool) (fence.Verdict, error) {
			return s.Do(ctx, key, event, func(ctx context.Context, _ *redis.Tx, pipe redis.Pipeliner) error {
				pipe.Incr(ctx, effect(key, event))
				if fails {
					return errCrash
				}
				return nil
			})
		},
		"guard": func(ctx context.Context, s *Store, key fence.Key, event fence.Event, fails bool) (fence.Verdict, error) {
			return s.Guard(ctx, key, event, func(ctx context.Context) error {
				n, err := Tx(ctx).Exists(ctx, effect(key, event)).Result()
				if err != nil {
					return err
				}
				Pipe(ctx).Set(ctx, effect(key, event), n+1, 0)
				if fails {
					return errCrash
				}
				return nil
			})
		},
		"script": func(ctx context.Context, s *Store, key fence.Key, event fence.Event, fails bool) (fence.Verdict, error) {
			if fails {
				return 0, errCrash // a script does not fail without a trace; see TestAStepDoneInPartIsMarked
			}
			result, verdict, err := s.Eval(ctx, key, event, script, []string{effect(key, event)}, "do")
			if n, ok := result.(int64); verdict == fence.Run && (!ok || n != 1) {
				return 0, fmt.Errorf("the script has returned %v", result)
			}
			return verdict, err
		},
	}
}

// TestRedisFollowsTheTable has requests come one after the other, in both ways, some of which break off, and some
// answers get lost.
func TestRedisFollowsTheTable(t *testing.T) {
	t.Parallel()
	for name, do := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &wire{}
			s, c := setup(t, "seq-"+name, w)
			// The server has the script from now on: what is lost is never that it has not.
			if _, err := do(t.Context(), s, fence.Key{XID: "first" + name}, fence.Consume, false); err != nil {
				t.Fatal(err)
			}
			var branch atomic.Int64
			rapid.Check(t, func(r *rapid.T) {
				key := fence.Key{XID: "10.0.0.1:8091:7" + name, Branch: branch.Add(1)}
				events := rapid.SampledFrom(families()).Draw(r, "family")
				state, effects := fence.Absent, map[fence.Event]int{}
				for range rapid.IntRange(1, 8).Draw(r, "requests") {
					event := rapid.SampledFrom(events).Draw(r, "event")
					fault := rapid.SampledFrom([]string{"", "", "error", "lost"}).Draw(r, "fault")
					next, verdict := fence.Decide(state, event)
					if fault == "error" && verdict != fence.Run && name == "script" {
						continue
					}
					w.losing.Store(fault == "lost")
					got, err := do(t.Context(), s, key, event, fault == "error")
					lost := fault == "lost" && !w.losing.Swap(false)
					var refused *fence.RefusedError
					switch {
					case fault == "error" && verdict == fence.Run:
						if !errors.Is(err, errCrash) {
							r.Fatalf("%s with an error: %v", event, err)
						}
						next = state
					case lost && name != "script":
						if err == nil {
							r.Fatalf("%s, its answer lost: no error", event)
						}
					case lost && verdict == fence.Run: // go-redis has asked again by itself
						if err != nil || got != fence.Skip {
							r.Fatalf("%s, its answer lost: %s, %v", event, got, err)
						}
					case verdict == fence.Refuse:
						if !errors.As(err, &refused) || refused.State != state {
							r.Fatalf("%s in %s: %v", event, state, err)
						}
					case err != nil || got != verdict:
						r.Fatalf("%s in %s: %s, %v; want %s", event, state, got, err, verdict)
					}
					if verdict == fence.Run && next != state {
						effects[event]++
					}
					state = next
					expect(r, c, s, key, state, events, effects)
				}
			})
			if w.lost.Load() < 5 {
				t.Errorf("only %d answers were lost", w.lost.Load())
			}
		})
	}
}

func expect(
	r *rapid.T, c *redis.Client, s *Store, key fence.Key, state fence.State, events []fence.Event,
	effects map[fence.Event]int,
) {
	text, err := c.Get(context.Background(), s.Record(key)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		r.Fatal(err)
	}
	if is, err := parse(text); err != nil || is != state {
		r.Fatalf("the record says %q; want %s", text, state)
	}
	for _, e := range events {
		n, err := c.Get(context.Background(), effect(key, e)).Int()
		if err != nil && !errors.Is(err, redis.Nil) || n != effects[e] {
			r.Fatalf("there are %d effects of %s, %v; want %d", n, e, err, effects[e])
		}
	}
}

// TestRedisStandsCrowds has all events come at once, in all ways.
func TestRedisStandsCrowds(t *testing.T) {
	t.Parallel()
	s, c := setup(t, "crowd", nil)
	all := ways()
	names := []string{"multi", "guard", "script"}
	ends := map[fence.State]int{}
	for round := range 100 {
		events := families()[round%3]
		key := fence.Key{XID: "10.0.0.1:8091:8", Branch: int64(round)}
		var wg sync.WaitGroup
		var mu sync.Mutex
		runs := map[fence.Event]int{}
		for range 12 {
			event, name := events[rand.IntN(len(events))], names[rand.IntN(3)]
			fails := name != "script" && rand.IntN(5) == 0
			wg.Go(func() {
				verdict, err := all[name](t.Context(), s, key, event, fails)
				if err != nil && !errors.Is(err, errCrash) && !errors.Is(err, fence.ErrRefused) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if verdict == fence.Run {
					runs[event]++
				}
			})
		}
		wg.Wait()
		text, err := c.Get(t.Context(), s.Record(key)).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		state, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		ends[state]++
		has := map[fence.Event]bool{}
		for _, e := range events {
			n, _ := c.Get(t.Context(), effect(key, e)).Int()
			if n > 1 || n != runs[e] {
				t.Fatalf("round %d: %d effects of %s, and %d were told", round, n, e, runs[e])
			}
			has[e] = n == 1
		}
		first, last := has[events[0]], has[events[len(events)-1]]
		middle := has[fence.Confirm]
		if middle && last || (middle || last) && !first || (state == fence.Suspended) == first && state != fence.Absent {
			t.Fatalf("round %d: %v, and the record says %s", round, has, state)
		}
	}
	t.Logf("ends: %v", ends)
}

// TestWorkIsRunAgainIfWhatItReadsChanges: a balance that two change at once.
func TestWorkIsRunAgainIfWhatItReadsChanges(t *testing.T) {
	t.Parallel()
	s, c := setup(t, "read", nil)
	if err := c.Set(t.Context(), "read-balance", 100, 0).Err(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range int64(10) {
		wg.Go(func() {
			key := fence.Key{XID: "10.0.0.1:8091:9", Branch: i}
			_, err := s.Do(t.Context(), key, fence.Try, func(ctx context.Context, tx *redis.Tx, pipe redis.Pipeliner) error {
				balance, err := tx.Get(ctx, "read-balance").Int()
				if err != nil {
					return err
				}
				pipe.Set(ctx, "read-balance", balance-10, 0)
				return nil
			}, "read-balance")
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left, err := c.Get(t.Context(), "read-balance").Int(); err != nil || left != 0 {
		t.Errorf("%d left, %v", left, err)
	}
}

// TestAStepDoneInPartIsMarked: nothing is said to be done, or done again.
func TestAStepDoneInPartIsMarked(t *testing.T) {
	t.Parallel()
	s, c := setup(t, "part", nil)
	if err := c.Set(t.Context(), "part-text", "no number", 0).Err(); err != nil {
		t.Fatal(err)
	}
	script := NewScript("redis.call('INCR', KEYS[1])\nreturn redis.call('INCR', KEYS[2])")
	for name, do := range map[string]func(fence.Key, fence.Event) error{
		"multi": func(key fence.Key, e fence.Event) error {
			_, err := s.Do(t.Context(), key, e, func(ctx context.Context, _ *redis.Tx, pipe redis.Pipeliner) error {
				pipe.Get(ctx, "part-missing") // nothing there is no error
				pipe.Incr(ctx, "part-multi")
				pipe.Incr(ctx, "part-text")
				return nil
			})
			return err
		},
		"script": func(key fence.Key, e fence.Event) error {
			_, _, err := s.Eval(t.Context(), key, e, script, []string{"part-script", "part-text"})
			return err
		},
	} {
		key := fence.Key{XID: "10.0.0.1:8091:10", Branch: int64(len(name))}
		for i, event := range []fence.Event{fence.Try, fence.Try, fence.Cancel, fence.Confirm} {
			var partial *PartialError
			err := do(key, event)
			if !errors.As(err, &partial) || partial.Record != s.Record(key) || (partial.Err != nil) != (i == 0) {
				t.Errorf("%s, %s: %v", name, event, err)
			}
		}
		if n, err := c.Get(t.Context(), "part-"+name).Int(); n != 1 {
			t.Errorf("%s: %d effects, %v", name, n, err)
		}
	}
}

// TestAScriptMaySayNo: nothing is recorded, and it may say yes another time.
func TestAScriptMaySayNo(t *testing.T) {
	t.Parallel()
	s, c := setup(t, "no", nil)
	take := NewScript(`if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then
  return redis.error_reply('not enough')
end
return redis.call('DECRBY', KEYS[1], ARGV[1])`)
	key := fence.Key{XID: "10.0.0.1:8091:12"}
	try := func() (any, fence.Verdict, error) {
		return s.Eval(t.Context(), key, fence.Try, take, []string{"no-stock"}, 3)
	}
	for range 2 {
		var no *ScriptError
		_, verdict, err := try()
		if !errors.As(err, &no) || !strings.Contains(no.Text, "not enough") || verdict != 0 {
			t.Errorf("%s, %v", verdict, err)
		}
	}
	if n, err := c.Exists(t.Context(), s.Record(key)).Result(); err != nil || n != 0 {
		t.Errorf("there is a record, %v", err)
	}
	if err := c.Set(t.Context(), "no-stock", 5, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if left, verdict, err := try(); err != nil || verdict != fence.Run || left != int64(2) {
		t.Errorf("%v left, %s, %v", left, verdict, err)
	}
}

// ending has transactions answered when their context has ended.
type ending struct{}

func (ending) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (ending) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (ending) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		if slices.ContainsFunc(commands, func(c redis.Cmder) bool { return c.Name() == "incr" }) {
			<-ctx.Done()
		}
		return err
	}
}

// TestAStepDoneInPartIsMarkedWhenTheContextEnds has it end just behind EXEC.
func TestAStepDoneInPartIsMarkedWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	s, c := setup(t, "ending", nil)
	if err := c.Set(t.Context(), "ending-text", "no number", 0).Err(); err != nil {
		t.Fatal(err)
	}
	strict := redis.NewClient(&redis.Options{Addr: server.address, DB: c.Options().DB, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = strict.Close() })
	strict.AddHook(ending{})
	hasty := &Store{client: strict, o: s.o}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	key := fence.Key{XID: "10.0.0.1:8091:13"}
	work := func(ctx context.Context, _ *redis.Tx, pipe redis.Pipeliner) error {
		pipe.Incr(ctx, "ending-count")
		pipe.Incr(ctx, "ending-text")
		return nil
	}
	var partial *PartialError
	if _, err := hasty.Do(ctx, key, fence.Try, work); !errors.As(err, &partial) {
		t.Errorf("a step done in part: %v", err)
	}
	if _, err := s.Do(t.Context(), key, fence.Try, work); !errors.As(err, &partial) {
		t.Errorf("a step done in part, again: %v", err)
	}
}

// TestACommandThatIsNoneLeavesNothing: Redis discards the transaction.
func TestACommandThatIsNoneLeavesNothing(t *testing.T) {
	t.Parallel()
	s, c := setup(t, "none", nil)
	key := fence.Key{XID: "10.0.0.1:8091:11"}
	_, err := s.Do(t.Context(), key, fence.Consume, func(ctx context.Context, _ *redis.Tx, pipe redis.Pipeliner) error {
		pipe.Incr(ctx, "none-count")
		pipe.Do(ctx, "nonsense")
		return nil
	})
	var partial *PartialError
	if err == nil || errors.As(err, &partial) {
		t.Error(err)
	}
	if n, err := c.Exists(t.Context(), "none-count", s.Record(key)).Result(); err != nil || n != 0 {
		t.Errorf("%d keys exist, %v", n, err)
	}
}

func TestRecordsExpireButTries(t *testing.T) {
	t.Parallel()
	s, c := setup(t, "age", nil)
	for name, do := range ways() {
		for event, want := range map[fence.Event]time.Duration{
			fence.Try: -1, fence.Cancel: 7 * 24 * time.Hour, fence.Action: 30 * 24 * time.Hour,
			fence.Consume: 7 * 24 * time.Hour,
		} {
			key := fence.Key{XID: "10.0.0.1:8091:12" + name, Branch: int64(event)}
			if _, err := do(t.Context(), s, key, event, false); err != nil {
				t.Fatal(err)
			}
			left, err := c.PTTL(t.Context(), s.Record(key)).Result()
			if err != nil || want < 0 && left != -1 || want > 0 && (left > want || left < want-time.Minute) {
				t.Errorf("%s, %s expires in %s, %v; want %s", name, event, left, err, want)
			}
		}
	}
	key := fence.Key{XID: "10.0.0.1:8091:13"}
	for _, event := range []fence.Event{fence.Try, fence.Confirm} {
		if _, err := ways()["script"](t.Context(), s, key, event, false); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := c.PTTL(t.Context(), s.Record(key)).Result(); err != nil || left <= 0 {
		t.Errorf("a confirmed try expires in %s, %v", left, err)
	}
}

func TestARecordThatIsNoneIsAnError(t *testing.T) {
	t.Parallel()
	s, c := setup(t, "odd", nil)
	key := fence.Key{XID: "10.0.0.1:8091:14"}
	for _, text := range []string{"7", "10", "x", "-1", "1.5"} {
		if err := c.Set(t.Context(), s.Record(key), text, 0).Err(); err != nil {
			t.Fatal(err)
		}
		for name, do := range ways() {
			if _, err := do(t.Context(), s, key, fence.Try, false); err == nil || errors.Is(err, fence.ErrRefused) {
				t.Errorf("%q, %s: %v", text, name, err)
			}
		}
	}
}
