//go:build parts

// Package sdktcc_test has a service in Go, with client/tcc, and one in Java, with Seata's client, share an action and
// its fences: each does phase two of what the other one has tried.
package sdktcc_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for the Java process.
const patience = 90 * time.Second

// build compiles the Java process for a generation of Seata's client and returns its class path.
func build(t *testing.T, profiles ...string) string {
	t.Helper()
	if out, err := exec.Command("../../.ci/parts/java.sh", "install").CombinedOutput(); err != nil {
		t.Fatalf("java: %v\n%s", err, out)
	}
	folder := t.TempDir()
	args := append([]string{
		"-B", "-ntp", "-q", "-f", "pom.xml", "-Dpeer.folder=" + folder, "compile", "dependency:copy-dependencies",
		"-DincludeScope=runtime",
	}, profiles...)
	if out, err := exec.Command("mvn", args...).CombinedOutput(); err != nil {
		t.Fatalf("mvn %v: %v\n%s", args, err, out)
	}
	return filepath.Join(folder, "classes") + ":" + filepath.Join(folder, "lib", "*")
}

// actor is a running Java process.
type actor struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan string
	read    chan struct{} // closed when the process has said everything
	ended   bool
}

// start starts a Java process with a coordinator and a database.
func start(t *testing.T, classes, coordinator, url string) *actor {
	t.Helper()
	a := &actor{t: t, answers: make(chan string, 8), read: make(chan struct{})}
	a.cmd = exec.Command("java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classes,
		"conformance.sdk.Actor", coordinator, url)
	log, err := os.Create(filepath.Join(t.TempDir(), "actor.log"))
	if err != nil {
		t.Fatal(err)
	}
	a.cmd.Stderr = log
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(a.read)
		defer close(a.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			a.answers <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		a.end()
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("Java says:\n%s", text[max(0, len(text)-20_000):])
		}
	})
	if line := a.answer(); line != "ready" {
		t.Fatalf("Java says %q instead of ready", line)
	}
	return a
}

// answer returns the next line.
func (a *actor) answer() string {
	a.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case line := <-a.answers:
		return line
	case <-timer.C:
		a.t.Fatal("Java does not answer")
	}
	return ""
}

// ask has something done.
func (a *actor) ask(words ...any) string {
	a.t.Helper()
	if _, err := fmt.Fprintln(a.in, words...); err != nil {
		a.t.Fatal(err)
	}
	line := a.answer()
	if line == "" || strings.HasPrefix(line, "failed") {
		a.t.Fatalf("%v: Java says %q", words, line)
	}
	return line
}

// end kills the process.
func (a *actor) end() {
	if a.ended {
		return
	}
	a.ended = true
	_ = a.in.Close()
	_ = a.cmd.Process.Kill()
	<-a.read
	_ = a.cmd.Wait()
}
