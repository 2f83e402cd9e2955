//go:build parts

package deploy

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// The real broker prints the settings that it would run with; one that it does not know is not among them.
func TestBrokersUnderstandTheirSettings(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("../.ci/parts/rocketmq.sh", "install").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	jars, err := filepath.Glob("../.parts/rocketmq/lib-*")
	if err != nil || len(jars) != 1 {
		t.Fatalf("jars are in %v, %v", jars, err)
	}
	image := readCompose(t).Services["namesrv"].Image
	if version := strings.TrimPrefix(filepath.Base(jars[0]), "lib-"); !strings.HasSuffix(image, ":"+version) {
		t.Errorf("the jars are of %s, the image is %s", version, image)
	}
	files, err := os.ReadDir("rocketmq")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		home := t.TempDir()
		cmd := exec.Command("java", "-Duser.home="+home, "-Xmx128m", "-cp", jars[0]+"/*",
			"org.apache.rocketmq.broker.BrokerStartup", "-n", "namesrv:9876", "-c", path.Join("rocketmq", f.Name()), "-p")
		cmd.Env = append(os.Environ(), "ROCKETMQ_HOME="+home)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", f.Name(), err, out)
		}
		lines := map[string]bool{}
		for line := range strings.Lines(string(out)) {
			lines[line[strings.LastIndex(line, " ")+1:]] = true
		}
		if !lines["namesrvAddr=namesrv:9876\n"] {
			t.Fatalf("%s: the broker printed\n%s", f.Name(), out)
		}
		for key, value := range readConf(t, path.Join("deploy/rocketmq", f.Name())) {
			switch key {
			case "brokerClusterName", "brokerName", "brokerId":
				continue // who it is, which is not printed
			}
			if !lines[key+"="+value+"\n"] {
				t.Errorf("%s: the broker does not run with %s=%s", f.Name(), key, value)
			}
		}
	}
}
