package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/concord-tx/concord/internal/config"
)

func TestClusterScriptWritesSettingsThatExist(t *testing.T) {
	t.Parallel()
	_, rest, found := strings.Cut(string(read(t, "deploy/cluster.sh")), "<<YAML\n")
	text, _, ended := strings.Cut(rest, "\nYAML\n")
	if !found || !ended {
		t.Fatal("the script writes no settings")
	}
	text = strings.NewReplacer(
		`$(cat "$dir/mariadb/port")`, "3306", `$(cat "$dir/zookeeper/port")`, "2181",
		`$(cat "$dir/rocketmq/namesrv")`, "127.0.0.1:9876", `$(cat "$dir/secret")`, "0123456789abcdef",
		"$tc", "18091", "$http", "17091", "$number", "1", "$at", t.TempDir(),
	).Replace(text)
	if left := regexp.MustCompile(`\$\S*`).FindString(text); left != "" {
		t.Fatalf("this test does not know %s", left)
	}
	file := filepath.Join(t.TempDir(), "concord.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := config.Load(config.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if !l.Clustered() || l.DecisionLog() != "rocketmq" || l.Registry.Engine != "zookeeper" || l.Node.ID != "node-1" {
		t.Errorf("settings %+v", l.Config)
	}
}

// documentedKey matches a setting in a document: a group, a dot and a name in backquotes.
var documentedKey = regexp.MustCompile("`([a-z][a-zA-Z]+\\.[a-z][a-zA-Z]+)`")

func TestDocumentedKeysExist(t *testing.T) {
	t.Parallel()
	keys, groups := map[string]bool{}, map[string]bool{}
	for _, k := range config.Keys() {
		keys[k.Name] = true
		groups[k.Group()] = true
	}
	seen := 0
	for _, m := range documentedKey.FindAllStringSubmatch(string(read(t, "docs/CLUSTER.md")), -1) {
		group, _, _ := strings.Cut(m[1], ".")
		if !groups[group] {
			continue // a file, a setting of somebody else's
		}
		seen++
		if !keys[m[1]] {
			t.Errorf("docs/CLUSTER.md names %s, which does not exist", m[1])
		}
	}
	if seen < 10 {
		t.Errorf("only %d keys were looked at", seen)
	}
}
