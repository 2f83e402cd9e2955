//go:build parts

package mysql

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/orchestrator"
)

func TestSessionsThatHaveEndedAreNotPublishedAnyMore(t *testing.T) {
	t.Parallel()
	c := openCluster(t)
	t.Cleanup(c.Close)
	a, b := c.nodes[0], c.nodes[1]
	remote := func() []orchestrator.RemoteSession {
		t.Helper()
		all, err := b.RemoteSessions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	entry := orchestrator.SessionEntry{Resource: "jdbc:x", Application: "shop", IP: "10.0.0.1", Clients: 2}
	for _, entries := range [][]orchestrator.SessionEntry{nil, {entry}, {}, {entry}, nil} {
		if err := a.PublishSessions(t.Context(), entries); err != nil {
			t.Fatalf("publish %v: %v", entries, err)
		}
		var want []orchestrator.RemoteSession
		for _, e := range entries {
			want = append(want, orchestrator.RemoteSession{SessionEntry: e, Node: a.opts.Node.ID})
		}
		if diff := cmp.Diff(want, remote()); diff != "" {
			t.Error(diff)
		}
	}
}
