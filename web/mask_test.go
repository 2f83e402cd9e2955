package web

import (
	"encoding/json"
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
