package expressions

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// TestEvaluationsHaveBudgets: what just fits is computed.
func TestEvaluationsHaveBudgets(t *testing.T) {
	t.Parallel()
	x := make([]any, limits.ExpressionStepsMax/1000+1)
	y := make([]any, 1000)
	for i := range y {
		y[i] = i
	}
	most := limits.ExpressionBytesBudget
	for text, exceeded := range map[string]bool{
		fmt.Sprintf(`len(repeat("x", %d)) > 0`, most/2-100): false,
		fmt.Sprintf(`len(repeat("x", %d)) > 0`, most+1):     true,
		`all(x[:500], max(y) == 999)`:                       false,
		`all(x, max(y) == 999)`:                             true,
	} {
		p, err := Compile(definition.Expr(text), Env{"x": Any(), "y": Any()}, WantBool)
		if err != nil {
			t.Fatal(err)
		}
		is, err := p.Bool(map[string]any{"x": x, "y": y})
		if errors.Is(err, ErrBudget) != exceeded || is == exceeded {
			t.Errorf("%s: %v, %v", text, is, err)
		}
	}
}

// TestALongExpressionIsRefusedWhereItIsCheckedOnly: what was published when expressions might be longer is compiled.
func TestALongExpressionIsRefusedWhereItIsCheckedOnly(t *testing.T) {
	t.Parallel()
	long := definition.Expr(`"` + strings.Repeat("x", limits.ExpressionBytesMax) + `"`)
	if err := Check(long, Env{}, WantText); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("checked: %v", err)
	}
	p, err := Compile(long, Env{}, WantText)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := p.Eval(nil); err != nil || len(v.(string)) != limits.ExpressionBytesMax {
		t.Errorf("%v, %v", v, err)
	}
}
