package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAccessAndTLSFitTogether(t *testing.T) {
	t.Parallel()
	oidc := []string{
		"--access-oidc-issuer=https://id.example", "--access-oidc-client=concord",
		"--access-oidc-roles=ops=operator,*=viewer", "--access-public-url=https://concord.example",
	}
	for _, tt := range []struct {
		name  string
		flags []string
		want  string // part of the error; "" for none
	}{
		{name: "token", flags: []string{"--access-token=0123456789abcdef0123456789abcdef"}},
		{name: "short token", flags: []string{"--access-token=hunter2"}, want: "(flag --access-token): it is shorter"},
		{name: "provider", flags: oidc},
		{name: "provider on this machine", flags: append(oidc[1:], "--access-oidc-issuer=http://127.0.0.1:5556")},
		{name: "provider in the clear", flags: append(oidc[1:], "--access-oidc-issuer=http://id.example"), want: "https URL"},
		{name: "provider and dev", flags: append([]string{"--dev"}, oidc...), want: "start without --dev"},
		{name: "no client", flags: append(oidc, "--access-oidc-client="), want: "name the client"},
		{name: "no way back", flags: append(oidc, "--access-public-url="), want: "come back to"},
		{name: "no roles", flags: append(oidc, "--access-oidc-roles="), want: "nobody gets a role"},
		{name: "odd role", flags: append(oidc, "--access-oidc-roles=x=root"), want: "entry 1 is not VALUE=ROLE"},
		{name: "no value", flags: append(oidc, "--access-oidc-roles==admin"), want: "entry 1 is not VALUE=ROLE"},
		{name: "client without issuer", flags: []string{"--access-oidc-client=x"}, want: "access.oidcIssuer is not"},
		{name: "URL with a path", flags: []string{"--access-public-url=https://x.example/concord"}, want: "without a path"},
		{name: "session longer than its life", flags: []string{"--access-idle=2h", "--access-absolute=1h"},
			want: "access.absolute"},
		{name: "two people", flags: []string{"--access-four-eyes=skip,release,discard"}},
		{name: "two people for what never needs them", flags: []string{"--access-four-eyes=retry"}, want: "none of skip"},
		{name: "two people and dev", flags: []string{"--dev", "--access-four-eyes=skip"}, want: "start without --dev"},
		{name: "TLS", flags: []string{"--tls-cert=c", "--tls-key=k", "--tls-seata=require", "--tls-client-ca=a"}},
		{name: "no key", flags: []string{"--tls-cert=c"}, want: "belong together"},
		{name: "no certificate", flags: []string{"--tls-seata=require"}, want: "tls.cert is not"},
		{name: "odd mode", flags: []string{"--tls-seata=maybe"}, want: "none of off, require"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(Sources{Flags: flags(t, tt.flags...)})
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("got %v, want it to contain %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestSecretsOfAccessAreNotPrinted(t *testing.T) {
	t.Parallel()
	const token, secret = "0123456789abcdef0123456789abcdef", "provider-secret"
	loaded, err := Load(Sources{Flags: flags(t, "--access-token="+token, "--access-oidc-issuer=https://id.example",
		"--access-oidc-client=concord", "--access-oidc-secret="+secret, "--access-oidc-roles=ops=operator",
		"--access-public-url=https://concord.example")})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := loaded.Print(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), token) || strings.Contains(b.String(), secret) {
		t.Error("a secret is printed")
	}
}

func TestRolesOfAClaim(t *testing.T) {
	t.Parallel()
	a := Access{OIDCRoles: []string{"cn=ops,ou=x=operator", "b=viewer", "b=service"}}
	want := map[string][]string{"cn=ops,ou=x": {"operator"}, "b": {"viewer", "service"}}
	if diff := cmp.Diff(want, a.RoleNames()); diff != "" {
		t.Error(diff)
	}
}
