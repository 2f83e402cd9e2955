package config

import (
	"strings"
	"testing"
	"time"
)

func TestTheDeadlineOfSagas(t *testing.T) {
	t.Parallel()
	if d := Default().Saga.Deadline; d != 24*time.Hour {
		t.Errorf("%s", d)
	}
	for deadline, good := range map[time.Duration]bool{
		0: false, time.Millisecond: false, time.Second: true, 366 * 24 * time.Hour: true, 367 * 24 * time.Hour: false,
	} {
		l := &Loaded{Config: Default()}
		l.Saga.Deadline = deadline
		found := false
		for _, err := range l.check() {
			found = found || strings.Contains(err.Error(), "saga.deadline")
		}
		if found == good {
			t.Errorf("%s: %v", deadline, l.check())
		}
	}
}
