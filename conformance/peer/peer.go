package peer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for one answer, the first of a starting process included.
const patience = 90 * time.Second

// Build compiles the Java program of the test's own folder and returns its class path. A profile of the pom.xml names
// another generation of Seata's client; "" is the one without a profile. Java and Maven are installed if they are
// missing.
func Build(t testing.TB, profile string) (classes string) {
	t.Helper()
	if out, err := exec.Command("../../.ci/parts/java.sh", "install").CombinedOutput(); err != nil {
		t.Fatalf("java: %v\n%s", err, out)
	}
	folder := t.TempDir()
	args := []string{
		"-B", "-ntp", "-q", "-f", "pom.xml", "-Dpeer.folder=" + folder, "compile", "dependency:copy-dependencies",
		"-DincludeScope=runtime",
	}
	if profile != "" {
		args = append(args, "-P"+profile)
	}
	if out, err := exec.Command("mvn", args...).CombinedOutput(); err != nil {
		t.Fatalf("mvn %v: %v\n%s", args, err, out)
	}
	return filepath.Join(folder, "classes") + ":" + filepath.Join(folder, "lib", "*")
}

// Java is the command that runs a class which holds the conversation, with arguments of its own. Flags are the virtual
// machine's.
func Java(classes, class string, flags []string, args ...string) *exec.Cmd {
	all := append([]string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}, flags...)
	return exec.Command("java", append(append(all, "-cp", classes, class), args...)...)
}

// Process is a running service. It belongs to one goroutine.
type Process struct {
	t       testing.TB
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan string // closed when it has said everything
	word    string
	ended   bool
}

// Start starts a process and waits until it is ready. It ends with the test at the latest.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, answers: make(chan string, 8)}
	log, err := os.Create(filepath.Join(t.TempDir(), "peer.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.answers <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		p.End()
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("Java says:\n%s", text[max(0, len(text)-20_000):])
		}
	})
	line, err := p.next()
	if err != nil {
		t.Fatal(err)
	}
	ready, word, _ := strings.Cut(line, " ")
	if ready != "ready" {
		t.Fatalf("Java says %q instead of ready", line)
	}
	p.word = word
	return p
}

// Word returns what the process said behind "ready".
func (p *Process) Word() string { return p.word }

// Ask sends a line of words and returns the answer. The test fails if it could not be done.
func (p *Process) Ask(words ...any) string {
	p.t.Helper()
	answer, err := p.ask(words...)
	if err != nil {
		p.t.Fatalf("%v: %v", words, err)
	}
	return answer
}

func (p *Process) ask(words ...any) (string, error) {
	if _, err := fmt.Fprintln(p.in, words...); err != nil {
		return "", err
	}
	answer, err := p.next()
	if err == nil && (answer == "" || strings.HasPrefix(answer, "failed")) {
		err = fmt.Errorf("Java says %q", answer)
	}
	return answer, err
}

// next returns the next line.
func (p *Process) next() (string, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case line, ok := <-p.answers:
		if !ok {
			return "", errors.New("Java has ended")
		}
		return line, nil
	case <-timer.C:
		return "", errors.New("Java does not answer")
	}
}

// End kills the process, as a service that leaves without a word, and returns when it is gone. It may be called more
// than once.
func (p *Process) End() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.in.Close()
	_ = p.cmd.Process.Kill()
	for range p.answers { // to its end: what it says is read before the process is waited for
	}
	_ = p.cmd.Wait()
}
