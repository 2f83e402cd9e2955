//go:build parts

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/clienttest"
)

// javaClasses builds the service in Java, once, and returns its class path.
var javaClasses = sync.OnceValues(func() (string, error) {
	root := filepath.Join(scratch(), "java")
	build := exec.Command("mvn", "-B", "-ntp", "-q", "-f", filepath.Join("java", "pom.xml"), "-Dshop.folder="+root,
		"compile", "dependency:copy-dependencies", "-DincludeScope=runtime")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the service in Java: %w\n%s", err, out)
	}
	return filepath.Join(root, "classes") + ":" + filepath.Join(root, "lib", "*"), nil
})

// inJava starts a service in Java and returns its URL. peers are the arguments of the order service.
func inJava(t *testing.T, coordinator *clienttest.Process, mode, service string, d *databases, peers ...string) string {
	t.Helper()
	url, _ := startJava(t, coordinator, mode, service, d, peers...)
	return url
}

// startJava is inJava, and returns what kills the service as kill -9 does.
func startJava(t *testing.T, coordinator *clienttest.Process, mode, service string, d *databases, peers ...string,
) (url string, kill func()) {
	t.Helper()
	classes, err := javaClasses()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), service+".log"))
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{
		"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dservice.default.grouplist=" + coordinator.Seata,
		"-cp", classes, "shop.Service", mode, service, d.config.Addr, d.prefix + "_" + service,
	}, peers...)
	cmd := exec.Command("java", args...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				ready <- url
			}
		}
		close(ready)
	}()
	ended := sync.OnceFunc(func() { _ = cmd.Wait() })
	t.Cleanup(func() {
		_ = in.Close()
		stuck := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		ended()
		stuck.Stop()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s in Java:\n%.4000s", service, text)
		}
	})
	select {
	case url, ok := <-ready:
		if !ok {
			t.Fatalf("the %s service in Java has ended", service)
		}
		return url, func() { _ = cmd.Process.Kill(); ended() }
	case <-time.After(time.Minute):
		t.Fatalf("the %s service in Java does not start", service)
		return "", nil
	}
}

// TestAShopWithOneServiceInJava has a service in Java, with Seata's own client, take part in what Go begins, and the
// other way round.
func TestAShopWithOneServiceInJava(t *testing.T) {
	t.Parallel()
	for _, name := range withDatabase() {
		for _, java := range []string{stockService, orderService} {
			t.Run(name+" "+java+" in Java", func(t *testing.T) {
				t.Parallel()
				coordinator := clienttest.Run(t, "--retry-first", "100ms", "--retry-max", "1s")
				d := inDatabases(t, clienttest.MariaDB(t))
				s := newShop(modeNamed(t, name), coordinator.Seata, coordinator.URL(), d)
				addresses := everywhere()
				delete(addresses, java)
				if java == stockService {
					s.others = map[string]string{java: inJava(t, coordinator, name, java, d)}
				}
				if err := s.start(t.Context(), addresses); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(s.stop)
				if java == orderService {
					peers := s.peers()
					url := inJava(t, coordinator, name, java, d, peers[stockService], peers[accountService])
					s.others = map[string]string{java: url}
				}
				told := newHistory()
				load{orders: 60, clerks: 4, refuse: 0.2, lose: 0.2}.run(t.Context(), s.peers()[orderService], told)
				if err := settled(t.Context(), s.peers(), told, time.Minute); err != nil {
					t.Errorf("goods or money are missing: %v", err)
				}
				t.Logf("%d orders are committed, %d rolled back; %s", told.count(committed), told.count(rolledBack), told.last)
				if told.count(committed) == 0 || told.count(rolledBack) == 0 {
					t.Error("there should be orders of both outcomes")
				}
			})
		}
	}
}
