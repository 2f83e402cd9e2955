package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

// wide has more states than can be looked at.
func wide(steps int) []byte {
	var b strings.Builder
	b.WriteString("saga: 1\nname: wide\nsteps:\n")
	for i := range steps {
		fmt.Fprintf(&b, "- {id: s%d, after: [], call: {url: 'http://h/a'}, compensate: {call: {url: 'http://h/u'}}}\n", i)
	}
	return []byte(b.String())
}

func TestACheckEndsWithWhoAskedForIt(t *testing.T) {
	t.Parallel()
	c, _ := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	from := time.Now()
	if _, err := c.Review(ctx, wide(300)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if took := time.Since(from); took > exploreWithin {
		t.Errorf("it took %s", took)
	}
	for range checksMax {
		c.checks <- struct{}{}
	}
	if _, err := c.Review(ctx, []byte(journey)); !errors.Is(err, orchestrator.ErrBusy) {
		t.Errorf("no more than %d at a time: %v", checksMax, err)
	}
}
