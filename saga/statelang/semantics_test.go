package statelang

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/saga/limits"
)

func rules(pairs ...string) []StatusRule {
	var out []StatusRule
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, StatusRule{Expression: parseExpression(pairs[i], Position{}), Status: pairs[i+1]})
	}
	return out
}

var (
	refused = &Exception{Class: "com.example.Refused", Supers: []string{"java.lang.RuntimeException"}}
	offline = &Exception{Class: "java.net.ConnectException"}
	late    = &Exception{Class: "java.net.SocketTimeoutException", Message: "Read timed out"}
	timeout = &Exception{Class: "org.apache.seata.saga.engine.exception.EngineExecutionException", EngineTimeout: true}
)

func TestStatusOf(t *testing.T) {
	t.Parallel()
	query, update, undo := State{}, State{ForUpdate: true}, State{ForCompensation: true}
	with := func(s State, pairs ...string) *State {
		s.Status = rules(pairs...)
		return &s
	}
	async := State{Async: true, Status: rules("true", "FA")}
	for name, tt := range map[string]struct {
		state   *State
		outcome Outcome
		want    Decided
		err     string
	}{
		"no rules, returned":                 {&query, Outcome{Result: 1}, Decided{Status: Succeeded}, ""},
		"no rules, returned nothing":         {&update, Outcome{}, Decided{Status: Succeeded}, ""},
		"no rules, query threw":              {&query, Outcome{Exception: refused}, Decided{Status: Failed}, ""},
		"no rules, query timed out":          {&query, Outcome{Exception: late}, Decided{Status: Failed}, ""},
		"no rules, update threw":             {&update, Outcome{Exception: refused}, Decided{Status: Unknown}, ""},
		"no rules, update timed out":         {&update, Outcome{Exception: late}, Decided{Status: Unknown}, ""},
		"no rules, update not reached":       {&update, Outcome{Exception: offline}, Decided{Status: Failed}, ""},
		"no rules, compensation threw":       {&undo, Outcome{Exception: refused}, Decided{Status: Unknown}, ""},
		"no rules, compensation not reached": {&undo, Outcome{Exception: offline}, Decided{Status: Failed}, ""},
		"first true rule": {with(query, "#root > 5", "FA", "#root > 1", "UN", "true", "SU"), Outcome{Result: 3},
			Decided{Status: Unknown}, ""},
		"no rule of a query": {with(query, "false", "SU"), Outcome{Result: 3}, Decided{Status: Failed, NoMatch: true},
			""},
		"no rule of an update": {with(update, "false", "SU"), Outcome{Result: 3}, Decided{Status: Unknown, NoMatch: true},
			""},
		"no rule with an exception": {with(query, "false", "SU"), Outcome{Exception: refused}, Decided{Status: Failed},
			""},
		"only true is true": {with(query, "'true'", "SU"), Outcome{Result: 3}, Decided{Status: Failed, NoMatch: true},
			""},
		"exception rule": {with(query, "$Exception{java.lang.RuntimeException}", "UN"), Outcome{Exception: refused},
			Decided{Status: Unknown}, ""},
		"exception rule without an exception": {with(query, "$Exception{java.lang.Throwable}", "UN", "true", "SU"),
			Outcome{Result: 1}, Decided{Status: Succeeded}, ""},
		"rule on the result of a throw": {with(update, "#root == null", "FA", "$Exception{java.lang.Throwable}", "UN"),
			Outcome{Exception: refused}, Decided{Status: Failed}, ""},
		"exception turned into success": {with(update, "$Exception{java.lang.Throwable}", "SU"),
			Outcome{Exception: refused}, Decided{Status: Succeeded, Forgiven: true}, ""},
		"asynchronous":                      {&async, Outcome{}, Decided{Status: Succeeded}, ""},
		"asynchronous that could not start": {&async, Outcome{Exception: refused}, Decided{Status: Failed}, ""},
		"child":                             {&update, Outcome{Child: Unknown}, Decided{Status: Unknown}, ""},
		"child and no rule": {with(update, "false", "SU"), Outcome{Child: Failed},
			Decided{Status: Failed}, ""},
		"child and a rule": {with(update, "true", "SU"), Outcome{Child: Failed},
			Decided{Status: Succeeded}, ""},
		"rule that fails": {with(update, "#root.x == 1", "SU"), Outcome{Result: 1}, Decided{Status: Unknown},
			"evaluate the status rule"},
		"rule that is no status": {with(query, "true", "OK"), Outcome{Result: 1}, Decided{Status: Failed},
			"no status"},
	} {
		got, err := StatusOf(tt.state, tt.outcome)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestHowFarACallCame(t *testing.T) {
	t.Parallel()
	caused := func(e *Exception, times int) *Exception {
		for range times {
			e = &Exception{Class: "a.Wrapped", Cause: e}
		}
		return e
	}
	for name, tt := range map[string]struct {
		e    *Exception
		want Network
	}{
		"connect": {offline, ConnectFailed},
		"read":    {late, ReadTimedOut},
		"old connect timeout": {&Exception{Class: "java.net.SocketTimeoutException", Message: "connect timed out"},
			ConnectTimedOut},
		"connect timeout since 13": {&Exception{Class: "java.net.SocketTimeoutException", Message: "Connect timed out"},
			ConnectTimedOut},
		"subclass":            {&Exception{Class: "a.B", Supers: []string{"java.net.ConnectException"}}, ConnectFailed},
		"own connect timeout": {&Exception{Class: "a.ConnectTimeoutException"}, ConnectTimedOut},
		"netty connect":       {&Exception{Class: "io.netty.channel.ConnectTimeoutException"}, ConnectFailed},
		"http connect":        {&Exception{Class: "java.net.http.HttpConnectTimeoutException"}, ConnectTimedOut},
		"netty read":          {&Exception{Class: "io.netty.handler.timeout.ReadTimeoutException"}, ReadTimedOut},
		"own connect":         {&Exception{Class: "a.b$MyConnectException"}, ConnectFailed},
		"package name":        {&Exception{Class: "ConnectException.Other"}, NotNetwork},
		"none":                {refused, NotNetwork},
		"caused":              {caused(late, 19), ReadTimedOut},
		"caused too deep":     {caused(late, 20), NotNetwork},
	} {
		if got := tt.e.Network(); got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	circle := &Exception{Class: "a.B"}
	circle.Cause = circle
	if circle.Network() != NotNetwork {
		t.Error("a circle of causes")
	}
}

func TestClassesOfExceptions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		e     *Exception
		class string
		want  bool
	}{
		"itself":            {refused, "com.example.Refused", true},
		"super":             {refused, "java.lang.RuntimeException", true},
		"super of super":    {refused, "java.lang.Exception", true},
		"throwable":         {refused, "java.lang.Throwable", true},
		"sibling":           {refused, "java.lang.IllegalStateException", false},
		"JDK":               {offline, "java.io.IOException", true},
		"not the other way": {&Exception{Class: "java.io.IOException"}, "java.net.ConnectException", false},
		"unknown":           {&Exception{Class: "a.B"}, "java.lang.RuntimeException", false},
		"unknown is one":    {&Exception{Class: "a.B"}, "java.lang.Exception", true},
		"error is none":     {&Exception{Class: "a.B", Supers: []string{"java.lang.Error"}}, "java.lang.Exception", false},
	} {
		if got := tt.e.Is(tt.class); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestRetryDecision(t *testing.T) {
	t.Parallel()
	entries := []Retry{
		{Exceptions: []string{"com.example.Refused"}, IntervalSeconds: 1.5, MaxAttempts: 3, BackoffRate: 2},
		{IntervalSeconds: 1, MaxAttempts: 2},
		{Exceptions: []string{"java.lang.Exception"}, IntervalSeconds: 0.0015, MaxAttempts: 1},
		{Exceptions: []string{"java.lang.Throwable"}, MaxAttempts: 9},
	}
	for name, tt := range map[string]struct {
		counts []int
		e      *Exception
		entry  int
		wait   time.Duration
		again  bool
	}{
		"first":                             {nil, refused, 0, 1500 * time.Millisecond, true},
		"second is interval times rate":     {[]int{1}, refused, 0, 3 * time.Second, true},
		"third is twice that":               {[]int{2}, refused, 0, 6 * time.Second, true},
		"used up, though others match":      {[]int{3}, refused, 0, 0, false},
		"network":                           {nil, offline, 1, time.Second, true},
		"without a rate the second is none": {[]int{0, 1}, late, 1, 0, true},
		"not network":                       {nil, &Exception{Class: "a.B"}, 2, time.Millisecond, true},
		"none matches":                      {nil, &Exception{Class: "a.B", Supers: []string{"java.lang.Error"}}, 3, 0, true},
		"nothing thrown":                    {nil, nil, -1, 0, false},
	} {
		entry, wait, again := RetryDecision(entries, tt.counts, tt.e)
		if entry != tt.entry || wait != tt.wait || again != tt.again {
			t.Errorf("%s: %d %s %t", name, entry, wait, again)
		}
	}
	if entry, _, again := RetryDecision(entries[:2], nil, &Exception{Class: "a.B"}); entry != -1 || again {
		t.Error("an exception that no entry names is tried again")
	}
	for _, huge := range []float64{math.Inf(1), 1e300, math.NaN(), -1} {
		_, wait, _ := RetryDecision([]Retry{{IntervalSeconds: huge, MaxAttempts: 1}}, nil, offline)
		if wait < 0 || wait > limits.MachineRetryPauseMax {
			t.Errorf("%v: %s", huge, wait)
		}
	}
	for _, more := range []float64{0, 1} {
		most := limits.MachineRetryPauseMax
		_, wait, _ := RetryDecision([]Retry{{IntervalSeconds: most.Seconds() + more, MaxAttempts: 1}}, nil, offline)
		if wait != most {
			t.Errorf("%v seconds more: %s", more, wait)
		}
	}
}

func TestFinalStatus(t *testing.T) {
	t.Parallel()
	of := func(status Status, change ...func(*Instance)) Instance {
		i := Instance{Type: ServiceTask, Status: status}
		for _, f := range change {
			f(&i)
		}
		return i
	}
	update := func(i *Instance) { i.ForUpdate = true }
	ignored := func(i *Instance) { i.Ignored = true }
	undo := func(i *Instance) { i.ForCompensation = true }
	sub := func(i *Instance) { i.Type, i.ForUpdate = SubStateMachine, true }
	list := func(i ...Instance) []Instance { return i }
	for name, tt := range map[string]struct {
		e    Ending
		want Status
	}{
		"nothing ran":                      {Ending{}, Succeeded},
		"nothing ran, Fail":                {Ending{Bad: true}, Failed},
		"all succeeded":                    {Ending{Instances: list(of(Succeeded), of(Succeeded, update))}, Succeeded},
		"one unknown":                      {Ending{Instances: list(of(Unknown), of(Failed))}, Unknown},
		"one failed":                       {Ending{Instances: list(of(Succeeded), of(Failed))}, Failed},
		"one still runs":                   {Ending{Instances: list(of(Running))}, Failed},
		"one failed after an update":       {Ending{Instances: list(of(Succeeded, update), of(Failed))}, Unknown},
		"one failed after a failed update": {Ending{Instances: list(of(Failed, update), of(Failed))}, Failed},
		"one failed after a sub machine":   {Ending{Instances: list(of(Succeeded, sub), of(Failed))}, Failed},
		"skipped":                          {Ending{Instances: list(of(Skipped))}, Succeeded},
		"ignored":                          {Ending{Instances: list(of(Unknown, ignored), of(Failed, ignored))}, Succeeded},
		"compensations do not count":       {Ending{Instances: list(of(Unknown, undo))}, Succeeded},
		"exception":                        {Ending{Exception: refused}, Failed},
		"exception after an update":        {Ending{Exception: refused, Instances: list(of(Succeeded, update))}, Unknown},
		"connect failed":                   {Ending{Exception: offline}, Failed},
		"connect failed after an update": {Ending{Exception: offline, Instances: list(of(Succeeded, update))},
			Unknown},
		"read timed out":       {Ending{Exception: late}, Unknown},
		"engine timeout":       {Ending{Exception: timeout}, Unknown},
		"Fail after a query":   {Ending{Bad: true, Instances: list(of(Succeeded))}, Failed},
		"Fail after an update": {Ending{Bad: true, Instances: list(of(Succeeded, update))}, Unknown},
		"Fail after an ignored update": {Ending{Bad: true, Instances: list(of(Succeeded, update, ignored))},
			Failed},
		"Fail after a compensation":                {Ending{Bad: true, Instances: list(of(Succeeded, undo))}, Unknown},
		"Fail after a failure is a failure anyway": {Ending{Bad: true, Instances: list(of(Failed))}, Failed},
	} {
		if got := FinalStatus(tt.e); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestCompensationStatus(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		remaining int
		done      []Status
		want      Status
	}{
		"all succeeded":                       {0, []Status{Succeeded, Succeeded}, Succeeded},
		"nothing to do":                       {0, nil, Succeeded},
		"the last is unknown":                 {0, []Status{Succeeded, Unknown}, Unknown},
		"the last failed":                     {0, []Status{Succeeded, Failed}, Unknown},
		"the only one failed":                 {0, []Status{Failed}, Unknown},
		"stopped at the first, which failed":  {2, []Status{Failed}, Failed},
		"stopped at the first, unknown":       {2, []Status{Unknown}, Unknown},
		"stopped at the second, which failed": {1, []Status{Succeeded, Failed}, Unknown},
		"stopped before the first":            {2, nil, Failed},
	} {
		if got := CompensationStatus(tt.remaining, tt.done); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestStatusesOfAMachineAtItsEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before    Statuses
		e         Ending
		remaining int
		done      []Status
		forward   bool
		want      Statuses
	}{
		"forward": {before: Statuses{Forward: Running}, want: Statuses{Forward: Succeeded}},
		"forward with an exception": {before: Statuses{}, e: Ending{Exception: refused},
			want: Statuses{Forward: Failed}},
		"compensated": {before: Statuses{Unknown, Running}, done: []Status{Succeeded}, want: Statuses{Unknown,
			Succeeded}},
		"compensated from outside": {before: Statuses{Failed, Running}, done: []Status{Succeeded}, want: Statuses{Failed,
			Succeeded}},
		"compensated while running": {before: Statuses{Running, Running}, remaining: 1, done: []Status{Failed},
			want: Statuses{Unknown, Failed}},
		"resumed after a failed compensation": {before: Statuses{Running, Unknown}, forward: true,
			want: Statuses{Succeeded, Failed}},
		"resumed in vain": {before: Statuses{Running, Unknown}, forward: true, e: Ending{Exception: refused},
			want: Statuses{Failed, Unknown}},
		"decided before": {before: Statuses{Forward: Failed}, want: Statuses{Forward: Failed}},
	} {
		if got := EndStatuses(tt.before, tt.e, tt.remaining, tt.done, tt.forward); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	for name, tt := range map[string]struct {
		before Statuses
		e      Ending
		want   Statuses
	}{
		"first time":         {Statuses{Forward: Running}, Ending{Exception: refused}, Statuses{Forward: Failed}},
		"without a state":    {Statuses{}, Ending{}, Statuses{Forward: Failed}},
		"while compensating": {Statuses{Unknown, Running}, Ending{Exception: offline}, Statuses{Unknown, Unknown}},
	} {
		if got := FailStatuses(tt.before, tt.e); got != tt.want {
			t.Errorf("broken off, %s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestStatusOfAChild(t *testing.T) {
	t.Parallel()
	for child, want := range map[Statuses]Status{
		{Succeeded, 0}: Succeeded, {Failed, 0}: Failed, {Unknown, 0}: Unknown, {Unknown, Failed}: Unknown,
		{Succeeded, Failed}: Succeeded, {Unknown, Succeeded}: Failed, {Unknown, Unknown}: Unknown, {Unknown,
			Running}: Unknown,
		{Succeeded, Unknown}: Unknown,
	} {
		if got := ChildStatus(child, false); got != want {
			t.Errorf("%v: %s", child, got)
		}
	}
	if ChildStatus(Statuses{Succeeded, Unknown}, true) != Succeeded || ChildStatus(Statuses{Failed, Unknown},
		true) != Unknown {
		t.Error("a child that was resumed")
	}
}

func TestCompensationList(t *testing.T) {
	t.Parallel()
	d, err := Read([]byte(`{"Name":"m","StartState":"A","States":{
		"A":{"Type":"ServiceTask","CompensateState":"UnA","Loop":{"Parallel":1,"Collection":"$.[l]"}},
		"UnA":{"Type":"ServiceTask"},
		"Q":{"Type":"ServiceTask"},"S":{"Type":"SubStateMachine"},"T":{"Type":"SubStateMachine","CompensateState":"UnT"},
		"UnT":{"Type":"CompensateSubMachine"},"N":{"Type":"ServiceTask","IsForUpdate":true},"X":{"Type":"ScriptTask"},
		"L":{"Type":"ServiceTask","CompensateState":"Lost"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	i := func(name string, status Status) Instance {
		in := Instance{ID: name, Name: name, Status: status}
		state, _ := in.StateName()
		s := d.Machine.State(state)
		in.Type, in.ForUpdate, in.ForCompensation = s.Type, s.ForUpdate, s.ForCompensation
		return in
	}
	ignored, undone := i("A", Failed), i("A", Succeeded)
	ignored.Ignored, ignored.Status = true, Unknown
	undone.CompensationStatus = Succeeded
	again := i("S", Succeeded)
	again.CompensationStatus = Failed
	for name, tt := range map[string]struct {
		instances []Instance
		want      []string
		err       string
	}{
		"newest first": {[]Instance{i("A", Succeeded), i("S", Succeeded), i("T", Succeeded)}, []string{"T by UnT",
			"S by itself", "A by UnA"}, ""},
		"unknown and running, too": {[]Instance{i("A", Unknown), i("S", Running)}, []string{"S by itself", "A by UnA"},
			""},
		"failed not":              {[]Instance{i("A", Failed), i("S", Failed)}, nil, ""},
		"tried again not":         {[]Instance{ignored}, nil, ""},
		"compensated not":         {[]Instance{undone}, nil, ""},
		"compensated in vain":     {[]Instance{again}, []string{"S by itself"}, ""},
		"queries and scripts not": {[]Instance{i("Q", Succeeded), i("X", Succeeded)}, nil, ""},
		"compensations not":       {[]Instance{i("UnA", Succeeded), i("UnT", Succeeded)}, nil, ""},
		"loop by loop": {[]Instance{i("A-loop-0", Succeeded), i("A-loop-1", Unknown)}, []string{"A-loop-1 by UnA",
			"A-loop-0 by UnA"}, ""},
		"an update without":               {[]Instance{i("A", Succeeded), i("N", Succeeded)}, nil, `"N" changes something`},
		"a failed update without":         {[]Instance{i("A", Succeeded), i("N", Failed)}, []string{"A by UnA"}, ""},
		"a compensation that is no state": {[]Instance{i("L", Succeeded)}, nil, `no state "Lost"`},
	} {
		list, err := CompensationList(d.Machine, tt.instances)
		var got []string
		for _, c := range list {
			by := "itself"
			if c.State != nil {
				by = c.State.Name
			}
			got = append(got, c.Instance.Name+" by "+by)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || (err == nil) != (tt.err == "") || err != nil &&
			!strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	var missing *CompensationError
	if _, err := CompensationList(d.Machine, []Instance{i("N", Unknown)}); !errors.As(err, &missing) ||
		missing.State != "N" {
		t.Error(err)
	}
	if CompensationGoesOn(Unknown, nil) || CompensationGoesOn(Succeeded, refused) || !CompensationGoesOn(Succeeded, nil) {
		t.Error("when compensation goes on")
	}
}
