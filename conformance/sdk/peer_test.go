//go:build parts

// Package sdk_test has a service that uses the Go SDK and one that uses Seata's Java client share a database: each
// undoes what the other one wrote.
package sdk_test

import (
	"strings"
	"testing"

	"github.com/concord-tx/concord/client/at/undo"
	"github.com/concord-tx/concord/conformance/peer"
)

// zoneName is where the Java process believes to be.
const zoneName = "Asia/Shanghai"

// generation is a version of Seata's client.
type generation struct {
	version, profile string
	prefix           string // of the classes in its undo logs
	flags            []string
	joins            bool // knows ON DUPLICATE KEY UPDATE and joins
	splits           bool // writes an undo log that is larger than a packet into several rows
}

func generations() []generation {
	return []generation{
		{version: "2.2.0", prefix: undo.PrefixApache, joins: true, splits: true},
		{version: "1.8.0", profile: "seata-1.8.0", prefix: undo.PrefixOld, joins: true},
		{
			version: "1.5.2", profile: "seata-1.5.2", prefix: undo.PrefixOld,
			flags: []string{"--add-opens", "java.base/java.lang=ALL-UNNAMED"},
		},
	}
}

// service is a Java process that takes part in transactions of others.
type service struct{ *peer.Process }

// start starts one with a coordinator and a database.
func (g generation) start(t *testing.T, coordinator, url string) service {
	t.Helper()
	flags := append([]string{"-Duser.timezone=" + zoneName}, g.flags...)
	return service{peer.Start(t, peer.Java(peer.Build(t, g.profile), "conformance.sdk.Peer", flags, coordinator, url))}
}

// change runs statements as one branch.
func (s service) change(xid string, statements ...string) {
	s.Ask(xid, strings.Join(statements, "; "))
}
