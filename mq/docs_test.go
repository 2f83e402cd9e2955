package mq

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestExamplesInTheDocumentationAreTrue checks the events in docs/EVENTS.md against their schemas.
func TestExamplesInTheDocumentationAreTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/EVENTS.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 4 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		schema := DecisionSchema
		if strings.Contains(b[1], EventTypeBranch) {
			schema = MessageSchema
		}
		if strings.Contains(b[1], EventTypeHeuristic) {
			schema = HeuristicSchema
		}
		if strings.Contains(b[1], EventTypeStep) {
			schema = StepSchema
		}
		if err := validate(compile(t, schema, ""), []byte(b[1])); err != nil {
			t.Errorf("%v\n%s", err, b[1])
		}
	}
	for _, want := range []string{TopicCommit, TopicRollback, EventTypeCommit, EventTypeRollback, ContentTypeBatch,
		NoticeTopic(""), EventTypeHeuristic, EventTypeStep} {
		if !strings.Contains(string(text), "`"+want+"`") {
			t.Errorf("%s is not explained", want)
		}
	}
}
