package validate

import (
	"testing"

	"github.com/concord-tx/concord/saga/definition"
)

// A header that can never be sent would be a failure of its step in each run.
func TestHeadersThatCannotBeSent(t *testing.T) {
	t.Parallel()
	const call, message = "call: {url: http://h, headers: ", "message: {topic: t, headers: "
	for step, bad := range map[string]bool{
		call + `{a: "x\ty"}`: false, call + `{a: "x\ny"}`: true, call + `{a: "ä"}`: true, call + `{a: "ä${input.x}"}`: true,
		call + `{a: "${'ä'}"}`: false, call + `{a: 7}`: false,
		message + `{a: "ä"}`: false, message + `{a: "x\ty"}`: true, message + `{a: "${input.x}\r"}`: true,
	} {
		for _, text := range []string{
			"- {id: a, readOnly: true, " + step + "}}\n",
			"- {id: a, worker: {task: t}, compensate: {" + step + "}}}\n",
		} {
			_, findings := Document([]byte("saga: 1\nname: s\nsteps:\n"+text), Options{})
			found := len(findings) == 1 && findings[0].Rule == definition.RuleBadValue && findings[0].Line == 4 &&
				findings[0].Severity == definition.SeverityError
			if found != bad || !bad && len(findings) > 0 {
				t.Errorf("%s: %+v", text, findings)
			}
		}
	}
}
