package web

import (
	"strings"
	"testing"

	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestASagaOfAClientSaysWhatItsEngineIsAsked(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{"forward": "asked to go forward", "compensate": "asked to compensate"} {
		g := &txn.Global{Status: txn.Active, Branches: []*txn.Branch{{ID: txn.SagaBranchID, Kind: txn.Saga, Data: data}}}
		if text, _ := explain(g, 0); !strings.Contains(text, want) {
			t.Errorf("%s: %q", data, text)
		}
	}
}
