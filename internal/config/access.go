package config

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// accessRoles are the roles that can be given; web/access has them, and a test in cmd/concord compares.
var accessRoles = [...]string{"viewer", "operator", "resolver", "admin", "service"}

// AccessRoles lists the roles that access.oidcRoles may name.
func AccessRoles() []string { return slices.Clone(accessRoles[:]) }

// fourEyes are the operations that can need two people; web has them, and a test in cmd/concord compares.
var fourEyes = [...]string{"skip", "release", "discard"}

// FourEyes lists the operations that access.fourEyes may name.
func FourEyes() []string { return slices.Clone(fourEyes[:]) }

// tokenBytesMin is the least length of a configured token.
const tokenBytesMin = 32

// access checks who may use the API. Settings of the provider without an issuer must not be set at all, because whoever
// sets them believes that they count.
func (c *checker) access(f *Config) {
	a := &f.Access
	c.failIf(a.Token != "" && len(a.Token) < tokenBytesMin, "access.token", "it is shorter than %d bytes", tokenBytesMin)
	between(c, "access.idle", a.Idle, time.Minute, 24*time.Hour)
	between(c, "access.absolute", a.Absolute, a.Idle, 30*24*time.Hour)
	for _, operation := range a.FourEyes {
		c.oneOf("access.fourEyes", operation, fourEyes[:]...)
	}
	c.failIf(len(a.FourEyes) > 0 && f.Dev, "access.fourEyes",
		"with dev nobody is told from anybody else; start without --dev")
	if a.PublicURL != "" {
		u, err := url.Parse(a.PublicURL)
		c.failIf(err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" ||
			strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil, "access.publicURL",
			"%q is not a URL without a path, such as https://concord.example.org", a.PublicURL)
	}
	if a.OIDCIssuer == "" {
		for key, set := range map[string]bool{
			"access.oidcClient": a.OIDCClient != "", "access.oidcSecret": a.OIDCSecret != "",
			"access.oidcAudience": a.OIDCAudience != "", "access.oidcRoles": len(a.OIDCRoles) > 0,
		} {
			c.failIf(set, key, "it is set, but access.oidcIssuer is not")
		}
		return
	}
	c.provider(a, f.Dev)
}

func (c *checker) provider(a *Access, dev bool) {
	u, err := url.Parse(a.OIDCIssuer)
	local := err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1")
	c.failIf(err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && local), "access.oidcIssuer",
		"%q is not an https URL", a.OIDCIssuer)
	c.failIf(dev, "access.oidcIssuer", "with dev nobody is asked who they are; start without --dev")
	c.failIf(a.OIDCClient == "", "access.oidcClient", "access.oidcIssuer is set, so name the client")
	c.failIf(a.PublicURL == "", "access.publicURL", "access.oidcIssuer is set, so say where browsers come back to")
	c.failIf(len(a.OIDCRoles) == 0, "access.oidcRoles",
		"access.oidcIssuer is set, but nobody gets a role; say who, as in concord-admins=admin")
	for i, entry := range a.OIDCRoles {
		value, role, found := cutLast(entry, "=")
		c.failIf(!found || value == "" || !slices.Contains(accessRoles[:], role), "access.oidcRoles",
			"entry %d is not VALUE=ROLE with one of the roles %s", i+1, strings.Join(accessRoles[:], ", "))
	}
}

// cutLast cuts at the last separator: values of claims may hold it.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// RoleNames returns for each value of the claim the names of the roles that it gives.
func (a *Access) RoleNames() map[string][]string {
	all := map[string][]string{}
	for _, entry := range a.OIDCRoles {
		value, role, _ := cutLast(entry, "=")
		all[value] = append(all[value], role)
	}
	return all
}

// BehindTLS reports whether browsers reach the server by TLS of a proxy.
func (a *Access) BehindTLS() bool { return strings.HasPrefix(a.PublicURL, "https://") }

func (c *checker) tls(t *TLS) {
	c.oneOf("tls.seata", t.Seata, "off", "require")
	c.failIf((t.Cert == "") != (t.Key == ""), "tls.key", "cert and key belong together")
	for key, set := range map[string]bool{
		"tls.clientCA": t.ClientCA != "", "tls.nodeCA": t.NodeCA != "", "tls.seata": t.Seata == "require",
	} {
		c.failIf(set && t.Cert == "", key, "it is set, but tls.cert is not")
	}
}
