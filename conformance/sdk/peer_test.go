//go:build parts

// Package sdk_test has a service that uses the Go SDK and one that uses Seata's Java client share a database: each
// undoes what the other one wrote.
package sdk_test

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

	"github.com/concord-tx/concord/client/at/undo"
)

// zoneName is where the Java process believes to be.
const zoneName = "Asia/Shanghai"

// patience is how long a test waits for the Java process.
const patience = 90 * time.Second

// generation is a version of Seata's client.
type generation struct {
	version, profile string
	prefix           string // of the classes in its undo logs
	flags            []string
	joins            bool // knows ON DUPLICATE KEY UPDATE and joins
	splits           bool // writes an undo log that is larger than a packet into several rows
}

func generations() []generation {
	return []generation{
		{version: "2.2.0", prefix: undo.PrefixApache, joins: true, splits: true},
		{version: "1.8.0", profile: "seata-1.8.0", prefix: undo.PrefixOld, joins: true},
		{
			version: "1.5.2", profile: "seata-1.5.2", prefix: undo.PrefixOld,
			flags: []string{"--add-opens", "java.base/java.lang=ALL-UNNAMED"},
		},
	}
}

// build compiles the Java process and returns its class path.
func (g generation) build(t *testing.T) string {
	t.Helper()
	if out, err := exec.Command("../../.ci/parts/java.sh", "install").CombinedOutput(); err != nil {
		t.Fatalf("java: %v\n%s", err, out)
	}
	folder := t.TempDir()
	args := []string{
		"-B", "-ntp", "-q", "-f", "pom.xml", "-Dpeer.folder=" + folder, "compile", "dependency:copy-dependencies",
		"-DincludeScope=runtime",
	}
	if g.profile != "" {
		args = append(args, "-P"+g.profile)
	}
	if out, err := exec.Command("mvn", args...).CombinedOutput(); err != nil {
		t.Fatalf("mvn %v: %v\n%s", args, err, out)
	}
	return filepath.Join(folder, "classes") + ":" + filepath.Join(folder, "lib", "*")
}

// peer is a running Java process.
type peer struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan string
	log     string
	ended   bool
}

// start starts a Java process that takes part in transactions of a coordinator with a database, and returns it and the
// name of its resource.
func (g generation) start(t *testing.T, classes, coordinator, url string) (*peer, string) {
	t.Helper()
	p := &peer{t: t, log: filepath.Join(t.TempDir(), "peer.log"), answers: make(chan string, 8)}
	args := append([]string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=" + zoneName},
		g.flags...)
	p.cmd = exec.Command("java", append(args, "-cp", classes, "conformance.sdk.Peer", coordinator, url)...)
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = log
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.answers <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		p.end()
		<-read
		_ = p.cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(p.log)
			t.Logf("Java says:\n%s", text[max(0, len(text)-20_000):])
		}
	})
	return p, strings.TrimPrefix(p.answer("ready "), "ready ")
}

// answer returns the next line, which has to begin so.
func (p *peer) answer(start string) string {
	p.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case line := <-p.answers:
		if !strings.HasPrefix(line, start) {
			p.t.Fatalf("Java says %q instead of %q", line, start)
		}
		return line
	case <-timer.C:
		p.t.Fatalf("Java does not say %q", start)
	}
	return ""
}

// change runs statements as one branch.
func (p *peer) change(xid string, statements ...string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, xid, strings.Join(statements, "; ")); err != nil {
		p.t.Fatal(err)
	}
	p.answer("done")
}

// end has the process end. Nothing of it is asked any more.
func (p *peer) end() {
	if !p.ended {
		p.ended = true
		_ = p.in.Close()
		_ = p.cmd.Process.Kill()
	}
}
