package main

import (
	"strings"
	"testing"

	"github.com/concord-tx/concord/internal/config"
)

func TestSettingsInForceHideSecrets(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Node.Secret, c.Callback.Secrets = "hunter2hunter2hunter2", []string{"hunter2hunter2hunter2"}
	c.MySQL.DSN, c.Log.Level = "user:hunter2@tcp(db)/x", "debug"
	n := &node{config: &c}
	seen := map[string]bool{}
	for _, e := range n.settings() {
		if strings.Contains(e.Value, "hunter2") {
			t.Errorf("%s shows its secret", e.Key)
		}
		seen[e.Key] = !e.Default
		if e.Doc == "" {
			t.Errorf("%s has no documentation", e.Key)
		}
	}
	if !seen["node.secret"] || !seen["mysql.dsn"] || !seen["log.level"] || seen["log.format"] {
		t.Errorf("%v", seen)
	}
	if n.targets() != nil {
		t.Error("targets without a transport")
	}
}
