package access

import (
	"strings"
	"testing"
)

func TestRolesBringOthersAlong(t *testing.T) {
	t.Parallel()
	needs := []Role{Open, Member, Decider, Viewer, Operator, Resolver, Admin, Service}
	want := map[Role]string{
		0:        "open",
		Viewer:   "open member viewer",
		Operator: "open member decider viewer operator",
		Resolver: "open member decider viewer operator resolver",
		Admin:    "open member decider viewer operator resolver admin service",
		Service:  "open member decider service",
	}
	for given, expect := range want {
		set := Roles(0)
		if given != 0 {
			set = RolesOf(given)
		}
		var has []string
		for _, need := range needs {
			if set.Has(need) {
				has = append(has, need.String())
			}
		}
		if got := strings.Join(has, " "); got != expect {
			t.Errorf("%s has %s, want %s", given, got, expect)
		}
	}
	if both := RolesOf(Viewer, Service); !both.Has(Viewer) || !both.Has(Decider) || both.Has(Operator) {
		t.Error("two roles are not both had")
	}
	if RolesOf(Admin).Has(0) {
		t.Error("a role that nobody has is had")
	}
}

func TestOnlyRolesThatCanBeGivenAreRead(t *testing.T) {
	t.Parallel()
	set, err := ParseRoles([]string{"service", "viewer", "viewer"})
	if err != nil || strings.Join(set.Names(), " ") != "viewer service" {
		t.Errorf("%v %v", set.Names(), err)
	}
	for _, name := range []string{"", "open", "member", "decider", "root", "Admin"} {
		if set, err := ParseRoles([]string{name}); err == nil || set != 0 {
			t.Errorf("%q was read as %v", name, set.Names())
		}
	}
}
