package peer

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell is a service that is written in the language of the shell.
func shell(script string) *exec.Cmd { return exec.Command("sh", "-c", script) }

func TestEachLineIsAnswered(t *testing.T) {
	t.Parallel()
	p := Start(t, shell(`echo "noise of a library" >&2; echo "ready jdbc:x y"; while read -r l; do echo "did $l"; done`))
	if p.Word() != "jdbc:x y" {
		t.Errorf("ready with %q", p.Word())
	}
	for range 20 { // more than are kept
		if got := p.Ask("try", 7, "a b"); got != "did try 7 a b" {
			t.Errorf("answer %q", got)
		}
	}
}

func TestWhatFailedIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	p := Start(t, shell(`echo ready; read -r l; echo "failed: no stock"; read -r l; echo; read -r l; exit 1`))
	for _, want := range []string{"no stock", `says ""`, "has ended"} {
		if _, err := p.ask("try"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func TestEndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	p := Start(t, shell(`echo ready; while :; do echo more; done`)) // neither listens nor stops to talk
	p.End()
	if p.cmd.ProcessState == nil {
		t.Error("nobody waited for the process")
	}
	p.End()
}

func TestFlagsAreTheMachinesAndArgumentsTheProgrammes(t *testing.T) {
	t.Parallel()
	args := Java("classes", "conformance.A", []string{"-Da=b"}, "host:1", "url").Args
	class := slices.Index(args, "conformance.A")
	flag := slices.Index(args, "-Da=b")
	if flag < 1 || flag > class || !slices.Equal(args[class+1:], []string{"host:1", "url"}) {
		t.Errorf("arguments %q", args)
	}
}
