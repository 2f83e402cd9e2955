package web

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// chooser chooses values of fields.
type chooser struct{ *rand.Rand }

func (c chooser) text() string {
	texts := [...]string{
		"", "order", "a b", `say "hi"`, `back\slash`, "<a href='x?y=1&z=2'>", "line\nfeed\ttab", "\x00\x1f\x7f", "größe",
		"订单", "bad \xff utf-8 \xc3", "\u2028\u2029", "😀", strings.Repeat("long ", 60), "http://10.0.0.1:8080/a/b?c=d&e=f#g",
	}
	return texts[c.IntN(len(texts))]
}

func (c chooser) time() txn.Millis {
	times := [...]txn.Millis{
		0, 0, 1, 999, 1_700_000_000_123, -5, -62_135_596_800_001, 253_402_300_799_999, 253_402_300_800_000,
	}
	return times[c.IntN(len(times))]
}

func (c chooser) branch() *txn.Branch {
	b := &txn.Branch{
		ID: c.Int64N(1<<40) - 1, Kind: txn.Kind(1 + c.IntN(9)), State: txn.BranchState(1 + c.IntN(8)),
		Ack: txn.Ack(c.IntN(3)), Resource: c.text(), Client: c.text(), Data: c.text(), RegisteredAt: c.time(),
		Attempts:      c.Uint32N(3),
		InFlightUntil: c.time(), NextAt: c.time(), Failure: c.text(), Released: c.IntN(2) == 0, Key: c.text(),
		Ongoing: c.Uint32N(2),
	}
	if c.IntN(2) == 0 {
		keys := [...]string{"stock:1,2,3", "T:a_b;other:1", "`quoted`:<&>", "stock:" + strings.Repeat("1,", 120) + "2"}
		b.LockKey = keys[c.IntN(len(keys))]
	}
	if c.IntN(2) == 0 {
		b.Call = &txn.Call{CommitURL: c.text(), RollbackURL: c.text(), Timeout: time.Duration(c.IntN(3)) * time.Second}
	}
	return b
}

func (c chooser) global() *txn.Global {
	g := &txn.Global{
		XID:         txn.XID{Prefix: [...]string{"10.0.0.5:8091", "[::1]:8091", c.text()}[c.IntN(3)], ID: c.Int64N(1 << 50)},
		Application: c.text(), Group: c.text(), Name: c.text(), Data: c.text(), Heuristic: c.IntN(2) == 0, BeganAt: c.time(),
		DecidedAt: c.time(), EndedAt: c.time(), Timeout: time.Duration(c.IntN(100_000)) * time.Millisecond,
		Status: txn.Status(1 + c.IntN(5)), Cause: txn.Cause(c.IntN(6)), Stuck: txn.Stuck(c.IntN(3)), DueAt: c.time(),
	}
	for range c.IntN(4) {
		g.Branches = append(g.Branches, c.branch())
	}
	return g
}

func TestAnswersAreWhatJSONMakesOfTheirViews(t *testing.T) {
	t.Parallel()
	c := chooser{rand.New(rand.NewPCG(1, 2))}
	for range 5000 {
		g, now := c.global(), txn.Millis(1_700_000_000_000)
		want, err := json.Marshal(viewDetail(g, now))
		if err != nil {
			t.Fatal(err)
		}
		if got := appendDetail(nil, g, now); string(got) != string(want) {
			t.Fatalf("%+v:\n%s", g, cmp.Diff(string(want), string(got)))
		}
	}
}

func TestTextsAreWrittenAsJSONWritesThem(t *testing.T) {
	t.Parallel()
	for r := range rune(0x3000) {
		text := "a" + string(r) + "b"
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendText(nil, text); string(got) != string(want) {
			t.Errorf("%q: %s, not %s", text, got, want)
		}
		if got := appendText(nil, []byte(text)); string(got) != string(want) {
			t.Errorf("%q as bytes: %s, not %s", text, got, want)
		}
	}
}

// usualBodies are read without encoding/json.
var usualBodies = []string{
	`{}`, ` { } `, ``, "\n",
	`{"application":"bench","group":"g","name":"bench.order","timeoutMs":60000,"data":{"a":[1,"]",{}]},"branches":[` +
		`{"kind":"tcc","confirmUrl":"http://127.0.0.1:1/a","cancelUrl":"http://127.0.0.1:1/b","payload":{"order":4711}},` +
		`{"kind":"topic","topic":"stock","ack":"report","payload":"text","key":"k"}]}`,
	"{ \"name\" : \"größe\" ,\r\n\t\"timeoutMs\" : -5 , \"branches\" : [ { } ] , \"data\" : [ 1 , 2 ] }",
	`{"branches":[],"data":"a \"quoted\" text \\","timeoutMs":0}`,
	`{"branches":[{"kind":"http","commitUrl":"http://h/","rollbackUrl":"","timeoutMs":123456789012345678}]}`,
}

// startText starts a saga, and is read without encoding/json.
const startText = `{"saga":"order","key":"k 1","application":"a","timeout":"90m","input":{"n":3,"list":["]",{}]}}`

// unusualBodies are left to encoding/json, whether it takes them or not.
var unusualBodies = []string{
	`null`, `[]`, `{"Name":"x"}`, `{"name":"x","name":"y"}`, `{"name":null}`, `{"name":"\u0041"}`,
	`{"name":"` + "\xff" + `"}`,
	`{"timeoutMs":1.0}`, `{"timeoutMs":1e3}`, `{"timeoutMs":01}`, `{"timeoutMs":9223372036854775808}`, `{"timeoutMs":"1"}`,
	`{"timeoutMs":-}`, `{"timeoutMs":- 1}`, `{"data":null}`, `{"data":1}`, `{"data":{]}`, `{"data":{"a"}}`,
	`{"data":"` + "\n" + `"}`,
	`{"branches":null}`, `{"branches":[null]}`, `{"branches":[{}],}`, `{"branches":[{},]}`,
	`{"branches":[{"headers":{"a":"b"}}]}`,
	`{"branches":[{"retry":{"attempts":1}}]}`, `{"x":1}`, `{"name":"x"} {}`, `{"name":"x"`, `{"name":"x"}x`,
	`{"name" "x"}`, `{,}`,
	`{"data":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, `{"name":"x"}` + "\x00", `{"waitMs":null}`,
}

// readBoth reads a body in both ways. ok says that the quick one took it.
func readBoth[T any](t *testing.T, text string) (ok bool) {
	t.Helper()
	var quick, slow T
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&slow)
	_, end := decoder.Token()
	if err != nil && err.Error() == "EOF" {
		err = nil
	}
	if ok = usual([]byte(text), &quick); !ok {
		return false
	}
	if err != nil || end == nil || end.Error() != "EOF" {
		t.Fatalf("%q is taken, but is wrong: %v", text, err)
	}
	if !reflect.DeepEqual(quick, slow) {
		t.Fatalf("%q:\n%s", text, cmp.Diff(fmt.Sprintf("%+v", slow), fmt.Sprintf("%+v", quick)))
	}
	return true
}

func TestBodiesAreReadAsJSONReadsThem(t *testing.T) {
	t.Parallel()
	for _, text := range usualBodies {
		if !readBoth[beginBody](t, text) {
			t.Errorf("%s is left to encoding/json", text)
		}
	}
	if !readBoth[decideBody](t, `{"waitMs":1000}`) || !readBoth[branchBody](t, `{"kind":"tcc","key":"k"}`) {
		t.Error("a decision or a branch is left to encoding/json")
	}
	if !readBoth[sagaStart](t, startText) {
		t.Error("a start is left to encoding/json")
	}
	for _, text := range unusualBodies {
		if readBoth[beginBody](t, text) {
			t.Errorf("%s is taken", text)
		}
		readBoth[decideBody](t, text)
		readBoth[branchBody](t, text)
		readBoth[sagaStart](t, text)
	}
	c := rand.New(rand.NewPCG(3, 4))
	all := append(append([]string{`{"waitMs":1000}`, startText}, usualBodies...), unusualBodies...)
	const bytes = `{}[]:,"\ 0123456789.-+eEnulltrefas` + "\n\x00\xff\xc3"
	for range 100_000 {
		text := []byte(all[c.IntN(len(all))])
		for range 1 + c.IntN(3) {
			switch at := c.IntN(len(text) + 1); {
			case at == len(text):
				text = append(text, bytes[c.IntN(len(bytes))])
			case c.IntN(2) == 0:
				text[at] = bytes[c.IntN(len(bytes))]
			default:
				text = append(text[:at], text[at+1:]...)
			}
		}
		readBoth[beginBody](t, string(text))
		readBoth[decideBody](t, string(text))
		readBoth[branchBody](t, string(text))
		readBoth[sagaStart](t, string(text))
	}
}

func TestAStartIsAnsweredAsJSONIsWritten(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "k <1>", "\u2028 \"größe\""} {
		g := &txn.Global{
			XID: txn.XID{Prefix: "10.0.0.1:8091", ID: 77}, Status: txn.Committed,
			Saga: &txn.SagaRun{Definition: "order", Version: 3, Key: key},
		}
		want, err := json.Marshal(SagaStarted{
			XID: g.XID.String(), Saga: "order", Version: 3, Key: key, Status: "Committed", Href: runPath(g),
		})
		if got := appendStarted(nil, g, runPath(g)); err != nil || string(got) != string(want) {
			t.Errorf("%s instead of %s, %v", got, want, err)
		}
	}
}
