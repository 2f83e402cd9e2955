package statement

import (
	"os"
	"strings"
	"testing"

	"github.com/concord-tx/concord/client/at/undo"
)

// TestColumnsOfAKeyAreInJavasOrder reads names of columns in the order of a key, and how a java.util.HashMap into which
// they were put in that order lists them.
func TestColumnsOfAKeyAreInJavasOrder(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/javaorder.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		key, want, _ := strings.Cut(strings.TrimSpace(line), " -> ")
		var fields []undo.Field
		for _, name := range strings.Fields(key) {
			fields = append(fields, undo.Field{Name: name})
		}
		var got []string
		for _, f := range javaOrder(fields) {
			got = append(got, f.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}
