package statelang

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// sound is a definition without findings that uses everything.
func sound(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/sound.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// machines are those that other definitions know.
func machines(name string) *Machine {
	texts := map[string]string{
		"payment": `{"Name":"payment","StartState":"S","States":{"S":{"Type":"Succeed"}}}`,
		"back": `{"Name":"back","StartState":"S","States":{"S":{"Type":"SubStateMachine","StateMachineName":"again"},
			"T":{"Type":"SubStateMachine","StateMachineName":"back"}}}`,
		"again": `{"Name":"again","StartState":"S","States":{"S":{"Type":"SubStateMachine","StateMachineName":"trip"}}}`,
	}
	d, err := Read([]byte(texts[name]))
	if err != nil {
		return nil
	}
	return d.Machine
}

func check(t *testing.T, text string) Report {
	t.Helper()
	d, err := Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Check(d, machines)
}

func TestASoundDefinitionHasNoFindings(t *testing.T) {
	t.Parallel()
	r := check(t, sound(t))
	for _, f := range r.Findings {
		t.Error(f)
	}
	if reads, by := r.Upstream(); !reads || !r.Sound() {
		t.Error(by)
	}
}

// mutant is the sound definition with one change, and what has to be found at which line.
type mutant struct {
	rule     Rule
	old, new string
	line     int
	upstream string
}

func mutants() []mutant {
	const p = upstreamParser
	return []mutant{
		{RuleDuplicateKey, `"StartState": "Reserve",`, `"StartState": "Reserve", "Name": "other",`, 5, ""},
		{RuleDuplicateKey, `"Done": {`, `"Undo": {`, 87, upstreamNames},
		{RuleMisspeltKey, `"Output": {"double"`, `"output": {"double"`, 39, ""},
		{RuleMisspeltKey, `"BackoffRate": 2.0`, `"BackOffRate": 2.0`, 28, ""},
		{RuleMisspeltKey, `"ElementIndexName"`, `"ElementIndexNam"`, 51, ""},
		{RuleMisspeltKey, `"Default": "Refused"`, `"Defualt": "Refused"`, 63, ""},
		{RuleShape, `"Version": "1.2"`, `"Version": 1.2`, 4, p},
		{RuleShape, `"Next": "Rate"`, `"Next": ["Rate"]`, 32, p},
		{RuleShape, `"MaxAttempts": 3, `, ``, 28, p},
		{RuleShape, `"MaxAttempts": 3,`, `"MaxAttempts": "3",`, 28, p},
		{RuleShape, `        "Parallel": 3,`, ``, 47, p},
		{RuleShape, `"Input": ["$.[room]"]`, `"Input": {"a": "$.[room]"}`, 77, p},
		{RuleShape, `"Choices": [`, `"Options": [`, 57, p},
		{RuleFlag, `"IsAsync": true`, `"IsAsync": "true"`, 46, ""},
		{RuleFlag, `"IsPersist": true`, `"IsPersist": "no"`, 7, ""},
		{RuleFlag, `"IntervalSeconds": 1.5`, `"IntervalSeconds": "1.5"`, 28, ""},
		{RulePersist, `"IsPersist": true`, `"IsPersist": false`, 7, ""},
		{RulePersist, `"ServiceMethod": "reserve",`, `"ServiceMethod": "reserve", "IsPersist": false,`, 15, ""},
		{RuleTypeUnknown, `"Type": "ScriptTask"`, `"Type": "ScriptTusk"`, 35, p},
		{RuleTypeUnknown, `"Type": "Succeed"`, `"Type": "Suceed"`, 88, p},
		{RuleLoopStart, `"Type": "ScriptTask"`, `"Type": "LoopStart"`, 35, p},
		{RuleRecoverStrategy, `"RecoverStrategy": "Compensate"`, `"RecoverStrategy": "compensate"`, 6, p},
		{RuleName, `"Name": "trip"`, `"Title": "trip"`, 1, upstreamNoRecursed},
		{RuleStart, `"StartState": "Reserve"`, `"StartState": "reserve"`, 5, upstreamFinite},
		{RuleStart, `"StartState": "Reserve",`, ``, 1, upstreamFinite},
		{RuleStartCompensation, `"StartState": "Reserve"`, `"StartState": "Unreserve"`, 5, ""},
		{RuleNextUnknown, `"Next": "Rate"`, `"Next": "Rates"`, 32, upstreamNames},
		{RuleNextUnknown, `"Next": "Pay"`, `"Next": "Buy"`, 60, upstreamNames},
		{RuleNextUnknown, `"Default": "Refused"`, `"Default": "Nowhere"`, 63, upstreamNames},
		{RuleNextUnknown, `"java.lang.RuntimeException"], "Next": "Undo"`, `"x.Y"], "Next": "Undone"`, 31, upstreamNames},
		{RuleNextCompensation, `"Next": "Rate"`, `"Next": "Unreserve"`, 32, ""},
		{RuleNextNone, `"Input": ["$.[guest]", "$.[number]"],
      "Next": "Pick"`, `"Input": ["$.[guest]", "$.[number]"]`, 42, ""},
		{RuleEndNext, `"Type": "Succeed"`, `"Type": "Succeed", "Next": "Undo"`, 88, ""},
		{RuleUnreachable, `"Next": "Pay"`, `"Next": "Done"`, 65, ""},
		{RuleUnreachable, `"CompensateState": "PayBack",`, ``, 79, ""},
		{RuleCycle, `"Type": "Succeed"`, `"Type": "ServiceTask", "ServiceName": "a", "ServiceMethod": "b", "Next": "Done"`,
			87, upstreamFinite},
		{RuleSelfLoop, `"Default": "Refused"`, `"Default": "Pick"`, 57, upstreamFinite},
		{RuleTarget, `"ServiceMethod": "reserve",`, ``, 12, ""},
		{RuleScript, `"ScriptContent": "price * 2",`, ``, 34, ""},
		{RuleAsync, `"IsAsync": true,`, `"IsAsync": true, "Output": {"a": "$.#root"},`, 46, ""},
		{RuleAsync, `"IsAsync": true,`, `"IsAsync": true, "Status": {"true": "SU"},`, 46, ""},
		{RuleParameterTypes, `"java.util.Map", "java.lang.String"`, `"java.util.Map"`, 12, ""},
		{RuleSubMachine, `"StateMachineName": "payment",`, ``, 65, ""},
		{RuleSubMachineUnknown, `"payment"`, `"paiment"`, 67, ""},
		{RuleSubMachineSelf, `"payment"`, `"trip"`, 65, upstreamNoRecursed},
		{RuleSubMachineCycle, `"payment"`, `"back"`, 65, ""},
		{RuleCompensationUnknown, `"CompensateState": "Unreserve"`, `"CompensateState": "Unreserved"`, 18, ""},
		{RuleCompensationMissing, `"CompensateState": "Unreserve"`, `"IsForUpdate": true`, 12, ""},
		{RuleCompensationType, `"CompensateState": "Unreserve"`, `"CompensateState": "Pick"`, 18, ""},
		{RuleCompensationType, `"CompensateState": "Unreserve"`, `"CompensateState": "Reserve"`, 18, ""},
		{RuleCompensationType, `"CompensateState": "Unreserve"`, `"CompensateState": "PayBack"`, 18, ""},
		{RuleCompensationType, `"ScriptType": "groovy"`, `"CompensateState": "Unreserve"`, 36, ""},
		{RuleCompensationNext, `"Input": ["$.[room]"]`, `"Next": "Done"`, 77, ""},
		{RuleCompensationChain, `"Input": ["$.[room]"]`, `"CompensateState": "PayBack"`, 77, ""},
		{RuleCompensationUnused, `"Done": {`, `"Spare": {"Type": "ServiceTask", "ServiceName": "a", "ServiceMethod": "b",
      "IsForCompensation": true},
    "Done": {`, 87, ""},
		{RuleChoiceDefault, `],
      "Default": "Refused"`, `]`, 57, ""},
		{RuleChoiceEmpty, `{"Expression": "[double] > 100 && [city] == 'Bern'", "Next": "Pay"},
        {"Expression": "[double] == 0", "Next": "Done"}`, ``, 57, ""},
		{RuleChoiceOption, `"Expression": "[double] == 0"`, `"expr": "[double] == 0"`, 61, ""},
		{RuleExpressionSyntax, `"[double] == 0"`, `"[double] == 0)"`, 61, ""},
		{RuleExpressionSyntax, `"$.[room]"`, `"$Sequense.[room]"`, 77, ""},
		{RuleExpressionSyntax, `"$.[room]"`, `"$room"`, 77, ""},
		{RuleExpressionSyntax, `$Exception{com.example.Full}`, `$Exception{com.example.Full`, 23, ""},
		{RuleExpressionSyntax, `$Exception{com.example.Full}`, `$Exception{com example}`, 23, ""},
		{RuleExpressionRefused, `"[double] == 0"`, `"T(java.lang.Math).random() > 0"`, 61, ""},
		{RuleExpressionBare, `"[double] == 0"`, `"double == 0"`, 61, ""},
		{RuleExpressionNegation, `"[double] == 0"`, `"![double]"`, 61, ""},
		{RuleExpressionKind, `"[double] == 0"`, `"'yes'"`, 61, ""},
		{RuleExpressionKind, `"[double] == 0"`, `"$Sequence.a|b"`, 61, ""},
		{RuleExpressionForgotten, `"$.#root[number]"`, `"#root[number]"`, 20, ""},
		{RuleExpressionForgotten, `"$.[room]"`, `"[room]"`, 77, ""},
		{RuleStatusValue, `"#root == null": "FA"`, `"#root == null": "FAIL"`, 22, ""},
		{RuleStatusValue, `"#root == null": "FA"`, `"#root == null": 1`, 22, ""},
		{RuleStatusRunning, `"#root == null": "FA"`, `"#root == null": "RU"`, 22, ""},
		{RuleStatusOnlyException, `"#root == null": "FA",
        "$Exception{com.example.Full}": "FA",
        "#root != null && #root[number] > 0": "SU",
        "true": "UN"`, `"$Exception{com.example.Full}": "FA"`, 22, ""},
		{RuleRetry, `"MaxAttempts": 3`, `"MaxAttempts": -3`, 28, ""},
		{RuleRetry, `"IntervalSeconds": 1.5`, `"IntervalSeconds": 1e400`, 28, ""},
		{RuleRetryBackoff, `, "BackoffRate": 2.0`, ``, 28, ""},
		{RuleCatchEmpty, `"Exceptions": ["java.lang.Throwable"]`, `"Exceptions": []`, 70, ""},
		{RuleCatchNext, `{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}`,
			`{"Exceptions": ["java.lang.Throwable"]}`, 70, ""},
		{RuleCatchShadowed, `{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}`,
			`{"Exceptions": ["java.lang.Throwable"], "Next": "Undo"}, {"Exceptions": ["a.B"], "Next": "Done"}`, 70, ""},
		{RuleClassName, `"java.lang.Throwable"`, `"java.lang."`, 70, ""},
		{RuleClassName, `"java.lang.Throwable"`, `"Throwable"`, 70, ""},
		{RuleLoopParallel, `"Parallel": 3`, `"Parallel": 0`, 47, ""},
		{RuleLoopCollection, `        "Collection": "$.[guests]",`, ``, 47, ""},
		{RuleLoopCollection, `"$.[guests]"`, `"guests"`, 49, ""},
		{RuleLoopVariable, `[nrOfCompletedInstances] /`, `[nrOfCompleteInstances] /`, 52, ""},
		{RuleLoopNames, `"ElementVariableName": "guest"`, `"ElementVariableName": "nrOfInstances"`, 47, ""},
		{RuleLoopNames, `"ElementVariableName": "guest"`, `"ElementVariableName": "number"`, 47, ""},
		{RuleLoopCondition, `>= 0.5`, `<= 0.5`, 52, ""},
		{RuleFailIncomplete, `"ErrorCode": "NO_ROOM",`, ``, 90, ""},
		{RuleExtension, `"Type": "Succeed"`, `"Type": "Join"`, 87, p},
		{RuleBranches, `"Type": "Succeed"`, `"Type": "Fork", "Branches": []`, 87, p},
		{RuleBranches, `"Type": "Succeed"`, `"Type": "Parallel", "Branches": ["Refused", "Refused"]`, 88, p},
		{RuleBranchesIgnored, `"Type": "Succeed"`, `"Type": "Parallel", "Branches": ["Refused"], "AwaitTimeout": 5`, 88, p},
		{RuleBranchesIgnored, `"Type": "Succeed"`, `"Type": "Parallel", "Branches": ["Refused"], "Retry": []`, 88, p},
		{RuleBranchesIgnored, `"Type": "Succeed"`, `"Type": "Fork", "Branches": ["Refused"], "Output": {}`, 88, p},
		{RuleExpressionSyntax, `"Type": "Succeed"`, `"Type": "Parallel", "Branches": ["Refused"], "Output": {"a": "$.#"}`, 88,
			p},
		{RuleJoin, `"Type": "Succeed"`, `"Type": "Fork", "Branches": ["Refused"]`, 88, p},
	}
}

func TestEachMutantIsFoundWhereItIs(t *testing.T) {
	t.Parallel()
	text := sound(t)
	for i, m := range mutants() {
		t.Run(fmt.Sprintf("%d %s", i, m.rule), func(t *testing.T) {
			t.Parallel()
			if strings.Count(text, m.old) != 1 {
				t.Fatalf("%q is there %d times", m.old, strings.Count(text, m.old))
			}
			r := check(t, strings.Replace(text, m.old, m.new, 1))
			at := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Rule == m.rule && f.At.Line == m.line })
			if at < 0 {
				t.Fatalf("%s is not found in line %d but: %v", m.rule, m.line, r.Findings)
			}
			f := r.Findings[at]
			if f.Text == "" || f.Advice == "" || f.Severity == 0 || f.At.Column == 0 {
				t.Errorf("incomplete: %+v", f)
			}
			_, by := r.Upstream()
			if by != m.upstream {
				t.Errorf("Seata refuses it by %q, not %q: %v", by, m.upstream, r.Findings)
			}
		})
	}
}

func TestOfSeveralRulesTheFirstRefuses(t *testing.T) {
	t.Parallel()
	text := sound(t)
	for _, change := range [][3]string{ // each on top of those before it
		{`"payment"`, `"trip"`, upstreamNoRecursed},
		{`"StartState": "Reserve"`, `"StartState": "Nobody"`, upstreamFinite},
		{`"Next": "Rate"`, `"Next": "Nowhere"`, upstreamNames},
		{`"Version": "1.2"`, `"Version": 1`, upstreamParser},
	} {
		text = strings.Replace(text, change[0], change[1], 1)
		if reads, by := check(t, text).Upstream(); reads || by != change[2] {
			t.Errorf("%s: %q", change[1], by)
		}
	}
}

func TestEachRuleHasAMutant(t *testing.T) {
	t.Parallel()
	tested := map[Rule]bool{
		RuleTooLarge: true, RuleDesigner: true, RuleNothingToCompensate: true, // they have tests of their own
	}
	for _, m := range mutants() {
		tested[m.rule] = true
	}
	for rule, m := range meanings {
		if !tested[rule] || m.advice == "" || m.severity == 0 {
			t.Errorf("%s has no mutant or no meaning", rule)
		}
	}
}

func TestNothingToCompensate(t *testing.T) {
	t.Parallel()
	r := check(t, `{"Name":"m","StartState":"A","States":{"A":{"Type":"ServiceTask","ServiceName":"a","ServiceMethod":"b",
		"Next":"U"},"U":{"Type":"CompensationTrigger","Next":"F"},"F":{"Type":"Fail","ErrorCode":"a","Message":"b"}}}`)
	if len(r.Findings) != 1 || r.Findings[0].Rule != RuleNothingToCompensate || r.Findings[0].State != "U" {
		t.Error(r.Findings)
	}
}

// chain makes a machine of n pairs of ways that join again: 2 to the n paths.
func chain(n int, end string) string {
	var b strings.Builder
	b.WriteString(`{"Name":"m","StartState":"C0","States":{`)
	for i := range n {
		fmt.Fprintf(&b, `"C%d":{"Type":"Choice","Choices":[{"Expression":"[a]","Next":"L%d"}],"Default":"R%d"},`, i, i, i)
		for _, side := range "LR" {
			fmt.Fprintf(&b, `"%c%d":{"Type":"ServiceTask","ServiceName":"s","ServiceMethod":"m","Next":"C%d"},`, side, i, i+1)
		}
	}
	fmt.Fprintf(&b, `"C%d":%s}}`, n, end)
	return b.String()
}

func TestCyclesAreFoundWithoutGoingThroughPaths(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	if r := check(t, chain(300, `{"Type":"Succeed"}`)); len(r.Findings) != 0 {
		t.Error(r.Findings[0])
	}
	r := check(t, chain(300, `{"Type":"ServiceTask","ServiceName":"s","ServiceMethod":"m","Next":"C0"}`))
	if r.Sound() || r.Findings[0].Rule != RuleCycle {
		t.Error("the cycle through all states is not found")
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if r := check(t, chain(400, `{"Type":"Succeed"}`)); r.Sound() || r.Findings[0].Rule != RuleTooLarge {
		t.Error("1201 states are not refused")
	}
}

func TestVerdictsOfCycles(t *testing.T) {
	t.Parallel()
	const task = `"Type":"ServiceTask","ServiceName":"s","ServiceMethod":"m"`
	for name, tt := range map[string]struct {
		states   string
		rule     Rule
		upstream string
	}{
		"a start that leads to itself is read by Seata": {`"A":{` + task + `,"Next":"A"}`, RuleCycle, ""},
		"another state that does is refused": {`"A":{` + task + `,"Next":"B"},"B":{` + task + `,"Next":"B"}`, RuleCycle,
			upstreamFinite},
		"even if it has a way out": {`"A":{` + task + `,"Next":"B"},"B":{` + task +
			`,"Next":"C","Catch":[{"Exceptions":["a.B"],"Next":"B"}]},"C":{"Type":"Succeed"}`, RuleSelfLoop, upstreamFinite},
		"two states without a way out are refused": {`"A":{` + task + `,"Next":"B"},"B":{` + task + `,"Next":"A"}`,
			RuleCycle, upstreamFinite},
		"with a way out they are fine": {`"A":{` + task + `,"Next":"B"},"B":{` + task +
			`,"Next":"A","Catch":[{"Exceptions":["a.B"],"Next":"C"}]},"C":{"Type":"Succeed"}`, "", ""},
		"a cycle that is never come to is not looked at": {`"A":{"Type":"Succeed"},"B":{` + task + `,"Next":"C"},` +
			`"C":{` + task +
			`,"Next":"B"}`, RuleUnreachable, ""},
	} {
		r := check(t, `{"Name":"m","StartState":"A","States":{`+tt.states+`}}`)
		_, by := r.Upstream()
		found := ""
		if len(r.Findings) > 0 {
			found = string(r.Findings[0].Rule)
		}
		if found != string(tt.rule) || by != tt.upstream {
			t.Errorf("%s: %q, refused by %q", name, found, by)
		}
	}
}
