package migrate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/plan"
)

// Mapping says what steps are called in the new version, by what they were called: "pay", or "trip/hotel" in a
// sub-saga. The steps of a sub-saga follow it. Items and turns stay what they are.
type Mapping map[string]string

// CheckMapping says what of a mapping fits neither version.
func CheckMapping(m Mapping, from, to *plan.Program) error {
	for _, old := range slices.Sorted(maps.Keys(m)) {
		now := m[old]
		switch {
		case strings.ContainsAny(old+now, "[]#"):
			return errors.New("a mapping names steps without their items and turns, as in pay or trip/hotel")
		case from.StepOf(old) == nil:
			return fmt.Errorf("the mapping names %q, which the old version does not have", old)
		case to.StepOf(now) == nil:
			return fmt.Errorf("the mapping leads to %q, which the new version does not have", now)
		case strings.Count(old, "/") != strings.Count(now, "/"):
			return fmt.Errorf("the mapping leads %q out of its sub-saga", old)
		}
	}
	return nil
}

// rename returns what a branch is called in the new version.
func (m Mapping) rename(name string) string {
	if len(m) == 0 {
		return name
	}
	parts := strings.Split(name, "/")
	ids, rests := make([]string, len(parts)), make([]string, len(parts))
	for i, part := range parts {
		end := strings.IndexAny(part, "[#")
		if end < 0 {
			end = len(part)
		}
		ids[i], rests[i] = part[:end], part[end:]
	}
	for n := len(ids); n > 0; n-- {
		if to, known := m[strings.Join(ids[:n], "/")]; known {
			copy(ids, strings.Split(to, "/"))
			break
		}
	}
	for i := range ids {
		ids[i] += rests[i]
	}
	return strings.Join(ids, "/")
}
