package rocketmq

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
)

func TestFollowingEndsWithAReasonWhereNothingCanBeRead(t *testing.T) {
	t.Parallel()
	f := &follower{
		looked: time.Now(), answered: time.Now().Add(-2 * followLost), yield: func(Step) error { return errEnough },
	}
	if err := f.run(t.Context()); !errors.Is(err, orchestrator.ErrUnavailable) || !errors.Is(err, errNothingToRead) {
		t.Errorf("nobody has answered: %v", err)
	}
}
