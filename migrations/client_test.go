package migrations_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/concord-tx/concord/migrations"
)

// TestFilesForServicesCanBeRunAgain: services run them at each start, with goose or by hand.
func TestFilesForServicesCanBeRunAgain(t *testing.T) {
	t.Parallel()
	files, err := migrations.Client()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil || len(entries) < 2 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	name, seen := regexp.MustCompile(`^(\d{4})_[a-z_]+\.sql$`), map[string]string{}
	made := regexp.MustCompile(`(?i)create\s+table\s+(if not exists\s+)?`)
	for _, entry := range entries {
		parts := name.FindStringSubmatch(entry.Name())
		if parts == nil {
			t.Errorf("%s has no number", entry.Name())
			continue
		}
		if other := seen[parts[1]]; other != "" {
			t.Errorf("%s and %s have the same number", other, entry.Name())
		}
		seen[parts[1]] = entry.Name()
		raw, err := fs.ReadFile(files, entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		if !strings.Contains(text, "-- +goose Up\n") {
			t.Errorf("%s: goose does not know where to begin", entry.Name())
		}
		for _, table := range made.FindAllStringSubmatch(text, -1) {
			if table[1] == "" {
				t.Errorf("%s cannot be run again: %s", entry.Name(), table[0])
			}
		}
		if !made.MatchString(text) || strings.Contains(strings.ToUpper(text), "DROP ") {
			t.Errorf("%s makes no table, or drops something", entry.Name())
		}
	}
}
