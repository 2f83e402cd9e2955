package redisfence

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/concord-tx/concord/client/fence"
)

// Script is a program in Lua that runs behind a fence. It may be used concurrently.
type Script struct{ script *redis.Script }

// NewScript makes a program of its source, which finds KEYS and ARGV as a script of Redis does and may return a value.
// One that returns redis.error_reply(text) says no: nothing is recorded, so it must not have changed anything by then.
// If it raises an error it is taken to have been done in part. So check first, then change.
func NewScript(source string) *Script { return &Script{redis.NewScript(before + source + after)} }

// before and after put a fence around a source. KEYS[1] is the record; ARGV[1] has for each state the next one and the
// verdict as two digits, ARGV[2] for each next state when it expires, in milliseconds with a comma behind each.
const (
	before = `local function concord_work(KEYS, ARGV)
`
	after = `
end
local state = redis.call('GET', KEYS[1]) or '0'
if state == '!' then return {'!', '', ''} end
local at = tonumber(state)
if not at or #state ~= 1 or at * 2 + 2 > #ARGV[1] then return {'?', state, ''} end
local to, verdict = string.sub(ARGV[1], at * 2 + 1, at * 2 + 1), string.sub(ARGV[1], at * 2 + 2, at * 2 + 2)
if verdict == '3' or to == state then return {verdict, state, ''} end
local result = ''
if verdict == '1' then
  local keys, args = {}, {}
  for i = 2, #KEYS do keys[i - 1] = KEYS[i] end
  for i = 3, #ARGV do args[i - 2] = ARGV[i] end
  local ok, what = pcall(concord_work, keys, args)
  if not ok then
    redis.call('SET', KEYS[1], '!')
    if type(what) == 'table' then what = what['err'] end
    return {'!', '', tostring(what)}
  end
  if type(what) == 'table' and what['err'] then return {'x', '', tostring(what['err'])} end
  result = what
end
redis.call('SET', KEYS[1], to)
local i = 0
for keep in string.gmatch(ARGV[2], '(%d+),') do
  if i == tonumber(to) and keep ~= '0' then redis.call('PEXPIRE', KEYS[1], keep) end
  i = i + 1
end
return {verdict, state, result}
`
)

// ScriptError is what a script has said no with. Nothing was recorded.
type ScriptError struct{ Text string }

// Error returns the text that the script gave to redis.error_reply.
func (e *ScriptError) Error() string { return "script: " + e.Text }

// rules is ARGV[1] and ARGV[2] for an event.
func (s *Store) rules(event fence.Event) (table, keep string) {
	var a, b strings.Builder
	for state := fence.Absent; state <= fence.Consumed; state++ {
		next, verdict := fence.Decide(state, event)
		fmt.Fprintf(&a, "%d%d", next, verdict)
		fmt.Fprintf(&b, "%d,", s.keep(state).Milliseconds())
	}
	return a.String(), b.String()
}

// Eval decides about an event and, if that is the verdict, runs a script, all in one step of Redis. It returns what the
// script has, nil if it has not run. Errors are as those of [Store.Do], or a [*ScriptError]. If an answer is lost
// go-redis may ask again by itself: the verdict is then Skip although the script has run, and its result is lost.
func (s *Store) Eval(
	ctx context.Context, key fence.Key, event fence.Event, script *Script, keys []string, args ...any,
) (any, fence.Verdict, error) {
	if err := check(key, event); err != nil {
		return nil, 0, err
	}
	table, keep := s.rules(event)
	record := s.Record(key)
	answer, err := script.script.Run(
		ctx, s.client, append([]string{record}, keys...), append([]any{table, keep}, args...)...,
	).Slice()
	if err != nil {
		return nil, 0, fmt.Errorf("%s of %s: %w", event, key, err)
	}
	verdict, _ := answer[0].(string)
	state, _ := answer[1].(string)
	switch verdict {
	case "1":
		if len(answer) < 3 { // Lua's lists end at nil
			return nil, fence.Run, nil
		}
		return answer[2], fence.Run, nil
	case "2":
		return nil, fence.Skip, nil
	case "3":
		at, err := parse(strings.TrimPrefix(state, "0"))
		if err != nil {
			return nil, 0, fmt.Errorf("read the fence of %s: %w", key, err)
		}
		return nil, 0, &fence.RefusedError{Key: key, Event: event, State: at}
	case "x":
		text, _ := answer[2].(string)
		return nil, 0, &ScriptError{Text: text}
	case broken:
		partial := &PartialError{Key: key, Event: event, Record: record}
		if text, _ := answer[2].(string); text != "" {
			partial.Err = fmt.Errorf("script: %s", text)
		}
		return nil, 0, partial
	}
	return nil, 0, fmt.Errorf("read the fence of %s: %.20q is no record", key, state)
}
