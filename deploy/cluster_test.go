//go:build parts

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script runs cluster.sh and returns what it says on standard output.
func script(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("./cluster.sh", args...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cluster.sh %v: %v\n%s%s", args, err, out, complaints.String())
	}
	return string(out)
}

// pids returns the process of each part that has one.
func pids(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*/pid", "rocketmq/*/pid"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out[strings.TrimPrefix(filepath.Dir(f), dir+"/")] = strings.TrimSpace(string(text))
		}
	}
	return out
}

// alive tells whether a process runs. One that has ended and that nobody has waited for yet has no command line.
func alive(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/cmdline")
	return err == nil && len(text) > 0
}

// ends waits until a process has ended: one that was killed may need a moment.
func ends(pid string) bool {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(60 * time.Second); alive(pid); <-ticker.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func TestClusterStartsGoesOnAndStops(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	binary, dir := filepath.Join(work, "concord"), filepath.Join(work, "cluster")
	build := exec.Command("go", "build", "-o", binary, "../cmd/concord")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { script(t, "down", dir) })

	said := script(t, "up", dir, binary)
	first := pids(t, dir)
	for _, part := range []string{"node-1", "node-2", "mariadb", "zookeeper", "rocketmq/namesrv.d", "rocketmq/broker-a"} {
		if !alive(first[part]) || first[part] == "" {
			t.Errorf("%s does not run; the script said:\n%s", part, said)
		}
	}
	server := strings.Fields(said[strings.Index(said, "--server"):])[1]
	if out := command(t, binary, "nodes", "--server", server); strings.Count(out, "alive") != 2 {
		t.Errorf("nodes:\n%s", out)
	}

	script(t, "up", dir, binary)
	for part, pid := range pids(t, dir) {
		if first[part] != pid {
			t.Errorf("%s was started again, though it ran", part)
		}
	}

	script(t, "kill", dir, "node-2")
	script(t, "up", dir, binary)
	second := pids(t, dir)
	if second["node-1"] != first["node-1"] || second["node-2"] == first["node-2"] {
		t.Errorf("before %v, after %v", first, second)
	}
	if out := command(t, binary, "nodes", "--server", server); strings.Count(out, "alive") != 2 {
		t.Errorf("nodes:\n%s", out)
	}

	script(t, "down", dir)
	for part, pid := range second {
		if !ends(pid) {
			t.Errorf("%s (pid %s) was left behind", part, pid)
		}
	}
	script(t, "down", dir) // nothing to do is no mistake
}

func command(t *testing.T, binary string, args ...string) string {
	t.Helper()
	out, err := exec.Command(binary, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}
