package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMaskHidesFields(t *testing.T) {
	t.Parallel()
	m := newMask([]string{"password", "customer.card", "*.iban", " "})
	for name, test := range map[string]struct {
		in, out string
		hidden  []MaskedField
	}{
		"anywhere, in any case": {
			`{"b":1,"a":{"PassWord":{"x":[1,2]},"z":2.50}}`, `{"b":1,"a":{"PassWord":"•••","z":2.50}}`,
			[]MaskedField{{"a.PassWord", "password"}},
		},
		"by its path": {
			`{"customer":{"card":"41","name":"<kim>"},"card":"5"}`, `{"customer":{"card":"•••","name":"<kim>"},"card":"5"}`,
			[]MaskedField{{"customer.card", "customer.card"}},
		},
		"in lists, named once": {
			`{"all":[{"iban":"1"},{"iban":"2"},3]}`, `{"all":[{"iban":"•••"},{"iban":"•••"},3]}`,
			[]MaskedField{{"all.iban", "*.iban"}},
		},
		"in texts that are JSON": {
			`{"data":"{\"password\":\"x\",\"n\":1}"}`, `{"data":"{\"password\":\"•••\",\"n\":1}"}`,
			[]MaskedField{{"data.password", "password"}},
		},
		"nothing to hide":    {`{ "a" : 1 }`, `{ "a" : 1 }`, nil},
		"no JSON":            {"password=hunter2", "password=hunter2", nil},
		"broken JSON":        {`{"password":"x"`, `{"password":"x"`, nil},
		"something after it": {`{"password":"x"} {}`, `{"password":"x"} {}`, nil},
		"nothing":            {"", "", nil},
		"what is deep below": {
			`{"password":` + deep(`"x"`, 20_000) + `}`, `{"password":"•••"}`, []MaskedField{{"password", "password"}},
		},
		"too deep": {
			`{"a":` + deep(`{"password":"x"}`, 20_000) + `}`, `{"a":` + deep(`"•••"`, maskDepthMax-1) + `}`,
			[]MaskedField{{"a", maskDepth}},
		},
	} {
		out, hidden := m.text(test.in)
		if out != test.out {
			t.Errorf("%s: %s, not %s", name, out, test.out)
		}
		if diff := cmp.Diff(test.hidden, hidden); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if out, hidden := (*mask)(nil).text(`{"password":1}`); out != `{"password":1}` || hidden != nil {
		t.Error("no mask hides something")
	}
	if newMask([]string{"", " "}) != nil {
		t.Error("empty rules make a mask")
	}
}

// deep is a value in lists in lists.
func deep(value string, lists int) string {
	return strings.Repeat("[", lists) + value + strings.Repeat("]", lists)
}

// What is hidden is named up to a bound, which is what keeps the cost of much of it in line with its size.
func TestMaskNamesSomeOfMuch(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	for i := range 10 * maskedMax {
		fmt.Fprintf(&in, `,"k%d":{"card":"visa"},"t%d":"[{\"card\":\"visa\"}]"`, i, i)
	}
	out, hidden := newMask([]string{"card"}).text("{" + in.String()[1:] + "}")
	if strings.Contains(out, "visa") || len(hidden) != maskedMax || hidden[1].Path != "t0.card" {
		t.Errorf("%d are named, %.200s", len(hidden), out)
	}
}

func TestPeopleDoNotSeeWhatIsMasked(t *testing.T) {
	t.Parallel()
	g := guarded(t, func(o *Options) { o.Mask = []string{"card"} })
	g.begin(t, 7)
	given := *g.all[7]
	given.Data = `{"card":"4111","sum":5}`
	g.all[7] = &given
	for role, hides := range map[string]bool{"viewer": true, "admin": true, "service": false} {
		w := g.raw(t, http.MethodGet, "/api/v1/transactions/7", "", "Authorization", g.withRoles(t, role))
		body := w.Body.String()
		var v TransactionDetail
		if err := json.Unmarshal([]byte(body), &v); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s: %v", role, w.Code, body, err)
		}
		if strings.Contains(body, "4111") == hides || (len(v.Masked) == 1) != hides {
			t.Errorf("%s sees %s", role, body)
		}
		if hides && v.Data != `{"card":"•••","sum":5}` {
			t.Errorf("%s sees the data as %s", role, v.Data)
		}
	}
}

// A run that waits for a person shows the same by itself and in the inbox.
func TestApprovalsAreMasked(t *testing.T) {
	t.Parallel()
	r, g, href := guardedRuns(t, `{prompt: '{"card":"4111"}', data: {card: "4111", sum: 5}}`, func(o *Options) {
		o.Mask = []string{"card"}
	})
	r.until(t, href, "asking", func(v SagaRun) bool { return len(v.Waits) == 1 })
	viewer := g.withRoles(t, "viewer")
	for _, path := range []string{href, "/api/v1/inbox/waits"} {
		w := r.raw(t, http.MethodGet, path, "", "Authorization", viewer)
		body := w.Body.String()
		if w.Code != http.StatusOK || strings.Contains(body, "4111") || !strings.Contains(body, `{"card":"•••","sum":5}`) {
			t.Errorf("%s: %d %s", path, w.Code, body)
		}
	}
}
