//go:build parts

package main

import "testing"

func TestDefinitionsAreThoseOfTheCluster(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a, b := s.node("a"), s.node("b")
	publishParcel(t, a)
	seesParcel(t, b)
	contains(t, b.ok("saga", "draft", "publish", "parcel"), "parcel version 2 is published")
	contains(t, a.ok("saga", "show", "parcel"), "parcel version 2", "sending version 2")
	a.kill()
	contains(t, b.ok("saga", "show", "parcel@1"), "sending version 1")
}
