package deploy

import (
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/concord-tx/concord/internal/config"
)

// composition is what the tests look at in docker-compose.yml.
type composition struct {
	Services map[string]service
	Volumes  map[string]any
}

type service struct {
	Image       string
	Build       string
	Profiles    []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	User        string
	Restart     string
	Entrypoint  []string
	Command     []string
	DependsOn   map[string]struct {
		Condition string
		Required  *bool
	} `yaml:"depends_on"`
	Healthcheck *struct{ Test []string }
}

// optional says whether a service is only there with a profile.
func (s service) optional() bool { return len(s.Profiles) > 0 }

func readCompose(t *testing.T) composition {
	t.Helper()
	var c composition
	if err := yaml.Unmarshal(read(t, "docker-compose.yml"), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) < 5 {
		t.Fatalf("only %d services were read", len(c.Services))
	}
	return c
}

// read returns a file of the repository.
func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(path.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// pinned matches image names with the exact version of a release, digests allowed.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9.]+)?(@sha256:[0-9a-f]{64})?$`)

func TestEveryImageIsPinned(t *testing.T) {
	t.Parallel()
	for name, s := range readCompose(t).Services {
		if s.Build != "" {
			continue // ours
		}
		if !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q has no exact version", name, s.Image)
		}
	}
	for image, want := range map[string]bool{
		"a/b:1.2.3": true, "a:v1.2.3": true, "a:1.2.3-x": true, "a": false, "a:latest": false, "a:1": false, "a:8.4": false,
	} {
		if pinned.MatchString(image) != want {
			t.Errorf("the rule itself takes %q wrongly", image)
		}
	}
}

func TestServicesReferToWhatExists(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	used := map[string]bool{}
	for name, s := range c.Services {
		for other, need := range s.DependsOn {
			target, found := c.Services[other]
			switch {
			case !found:
				t.Errorf("%s depends on %s, which does not exist", name, other)
			case target.optional() && (need.Required == nil || *need.Required) && !slices.Equal(target.Profiles, s.Profiles):
				t.Errorf("%s needs %s, which is not there without a profile", name, other)
			case need.Condition == "service_healthy" && target.Healthcheck == nil:
				t.Errorf("%s waits for the health of %s, which has no check", name, other)
			}
		}
		for _, v := range s.Volumes {
			from, rest, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, "./") {
				if _, err := os.Stat(path.Join("..", from)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if !strings.HasSuffix(rest, ":ro") {
					t.Errorf("%s mounts %s to be written", name, from)
				}
				continue
			}
			if _, found := c.Volumes[from]; !found {
				t.Errorf("%s: volume %s is not declared", name, from)
			}
			if used[from] {
				t.Errorf("%s: volume %s is another service's, too", name, from)
			}
			used[from] = true
		}
	}
	for v := range c.Volumes {
		if !used[v] {
			t.Errorf("volume %s is used by nobody", v)
		}
	}
}

func TestServicesComeBackAndAreWatched(t *testing.T) {
	t.Parallel()
	ports := map[string]string{}
	for name, s := range readCompose(t).Services {
		if s.Restart != "unless-stopped" {
			t.Errorf("%s: restart is %q", name, s.Restart)
		}
		if s.Healthcheck == nil || len(s.Healthcheck.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
		for _, p := range s.Ports {
			rest, ok := strings.CutPrefix(p, "${BIND:-127.0.0.1}:")
			host, _, _ := strings.Cut(rest, ":")
			if !ok || ports[host] != "" {
				t.Errorf("%s publishes %s, not on loopback or taken by %q", name, p, ports[host])
			}
			ports[host] = name
		}
	}
}

// nodes returns the services that are built from this repository.
func nodes(t *testing.T) map[string]service {
	t.Helper()
	all := readCompose(t).Services
	maps.DeleteFunc(all, func(_ string, s service) bool { return s.Build == "" })
	if len(all) < 2 {
		t.Fatalf("%d nodes, which is no cluster", len(all))
	}
	return all
}

var variable = regexp.MustCompile(`\$\{[A-Z_]+:-([^}]*)\}`)

// loaded returns a node's settings as `concord serve` reads them in its container.
func loaded(t *testing.T, s service) *config.Loaded {
	t.Helper()
	var environ []string
	for name, value := range s.Environment {
		environ = append(environ, name+"="+variable.ReplaceAllString(value, "$1"))
	}
	c, err := config.Load(config.Sources{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNodesAreConfiguredByKeysThatExist(t *testing.T) {
	t.Parallel()
	envs := map[string]bool{config.EnvFile: true, config.EnvServer: true}
	for _, k := range config.Keys() {
		envs[k.Env()] = true
	}
	for name, s := range nodes(t) {
		for e := range s.Environment {
			if !envs[e] {
				t.Errorf("%s: no key has the variable %s", name, e)
			}
		}
	}
	if s := (service{Environment: map[string]string{"CONCORD_NO_SUCH_KEY": "1"}}); envs["CONCORD_NO_SUCH_KEY"] {
		t.Errorf("the rule itself takes %v", s.Environment)
	}
}

func TestNodesAreOneCluster(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	seen := map[string]string{}
	for name, s := range nodes(t) {
		l := loaded(t, s)
		if l.Store.Engine != "mysql" || l.DecisionLog() != "rocketmq" || l.Registry.Engine != "zookeeper" {
			t.Errorf("%s: engines %s, %s, %s", name, l.Store.Engine, l.DecisionLog(), l.Registry.Engine)
		}
		// What must be the same, and what must differ.
		for key, value := range map[string]string{
			"mysql.dsn": l.MySQL.DSN, "node.secret": l.Node.Secret, "mq.prefix": l.MQ.Prefix,
			"zookeeper.cluster": l.ZooKeeper.Cluster + l.ZooKeeper.Root, "namesrv": fmt.Sprint(l.RocketMQ.Namesrv),
		} {
			if before, found := seen[key]; found && before != value {
				t.Errorf("%s: %s differs between the nodes", name, key)
			}
			seen[key] = value
		}
		for _, own := range []string{"id " + l.Node.ID, "advertise " + l.Advertise, "internal " + l.Node.Internal} {
			if other := seen[own]; other != "" || strings.HasSuffix(own, " ") {
				t.Errorf("%s: %q is empty, or that of %s", name, own, other)
			}
			seen[own] = name
		}
		if len(l.Node.Secret) < 16 {
			t.Errorf("%s: the secret has %d bytes", name, len(l.Node.Secret))
		}
		// The port that is advertised is the one that is bound, and published under the same number.
		port := l.Advertise[strings.LastIndex(l.Advertise, ":"):]
		if l.TC != port || !slices.Contains(s.Ports, "${BIND:-127.0.0.1}"+port+port) {
			t.Errorf("%s advertises %s, binds %s, publishes %v", name, l.Advertise, l.TC, s.Ports)
		}
		for _, address := range append(append([]string{l.Advertise, l.Node.Internal}, l.RocketMQ.Namesrv...),
			l.ZooKeeper.Servers...) {
			if host, _, _ := strings.Cut(address, ":"); c.Services[host].Image == "" {
				t.Errorf("%s names %s, which is no service", name, address)
			}
		}
		for _, need := range []string{"mysql", "namesrv", "zookeeper"} {
			if _, found := s.DependsOn[need]; !found {
				t.Errorf("%s does not wait for %s", name, need)
			}
		}
	}
}

func TestDatabaseUserIsTheOneOfTheNodes(t *testing.T) {
	t.Parallel()
	db := readCompose(t).Services["mysql"].Environment
	want := fmt.Sprintf("%s:%s@tcp(mysql:3306)/%s", db["MYSQL_USER"], db["MYSQL_PASSWORD"], db["MYSQL_DATABASE"])
	for name, s := range nodes(t) {
		if dsn, _, _ := strings.Cut(s.Environment["CONCORD_MYSQL_DSN"], "?"); dsn != want {
			t.Errorf("%s: %s, the database has %s", name, dsn, want)
		}
	}
}

func TestDockerfileIsPinnedAndWithoutRights(t *testing.T) {
	t.Parallel()
	user, last := "", ""
	stages := map[string]bool{}
	for line := range strings.Lines(string(read(t, "Dockerfile"))) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "FROM":
			if !pinned.MatchString(words[1]) && words[1] != "scratch" && !stages[words[1]] {
				t.Errorf("%s has no exact version", words[1])
			}
			if len(words) == 4 {
				stages[words[3]] = true
			}
			user, last = "", words[1]
		case "USER":
			user = words[1]
		}
	}
	if user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		t.Errorf("the image runs as %q", user)
	}
	if last != "scratch" {
		t.Errorf("the image is built on %s, not on nothing", last)
	}
	version, found := strings.CutPrefix(strings.Fields(string(read(t, "go.mod")))[3], "")
	if !found || !strings.Contains(string(read(t, "Dockerfile")), "golang:"+version+".") {
		t.Errorf("the image is not built with Go %s of go.mod", version)
	}
}
