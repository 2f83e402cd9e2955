package tidy

import (
	"sync"
	"testing"
)

// exception is a place where a rule does not hold, and why the code reads better so.
type exception struct{ rule, place, reason string }

// allowed lists all exceptions. A place is a path, or a path and a name.
func allowed() []exception {
	return []exception{
		{"machine path", "docker-compose.yml", "RocketMQ's image has its program in a home directory"},
		{"go statement", "orchestrator Run", "Run is where the runtime starts its goroutines"},
		{"pure core", "saga/plan/memo.go", "several may look at a run at once; plans are the same without what it guards"},
		{"stored context", "web/limited.go", "it is itself a context, in front of the one that it stands for"},
		{"stored context", "client/at/local.go", "driver.Tx gives Commit no context; it is the one of BeginTx"},
		{"package state", "mq/rocketmq/library.go libraryLog", "rocketmq-client-go has one logger per process"},
		{"package state", "client/clienttest/mariadb.go sharedServer", "starting one takes seconds; only tests have it"},
		{"package state", "client/clienttest/process.go built", "building takes seconds; only tests have it"},
		{"package state", "internal/gettylog/silence.go once", "getty has one logger per process, which must be set once"},
	}
}

// findings gathers what is wrong with one rule.
type findings struct {
	t    *testing.T
	rule string
	mu   sync.Mutex
	used map[string]bool
}

// check runs a rule.
func check(t *testing.T, rule string, do func(f *findings)) {
	t.Helper()
	f := &findings{t: t, rule: rule, used: map[string]bool{}}
	do(f)
	for _, e := range allowed() {
		if e.rule == rule && !f.used[e.place] {
			t.Errorf("the exception %q for %s is not needed any more", e.rule, e.place)
		}
	}
}

// add reports a finding at a position unless the place is an exception.
func (f *findings) add(at, place, format string, args ...any) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range allowed() {
		if e.rule == f.rule && e.place == place {
			f.used[place] = true
			return
		}
	}
	f.t.Errorf(at+": "+format, args...)
}
