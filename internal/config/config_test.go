package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestEveryKeyHasADocAndNamesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{EnvServer: true, EnvFile: true}
	for _, k := range Keys() {
		if len(k.Doc) < 20 || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: the comment of its field is missing or no sentence: %q", k.Name, k.Doc)
		}
		if (k.Group() == "") != (k.GroupDoc == "") {
			t.Errorf("%s: the comment of its group is %q", k.Name, k.GroupDoc)
		}
		for _, name := range []string{k.Name, k.Flag(), k.Env()} {
			if seen[name] && strings.Contains(k.Name, ".") {
				t.Errorf("%s: the name %s is taken", k.Name, name)
			}
			seen[name] = true
		}
		if serviceLink.MatchString(k.Env()) {
			t.Errorf("%s: %s would be taken for a variable that Kubernetes sets", k.Name, k.Env())
		}
	}
}

func TestKeyNames(t *testing.T) {
	t.Parallel()
	for _, k := range Keys() {
		if k.Name == "retry.xaNotFound" {
			if k.Flag() != "retry-xa-not-found" || k.Env() != "CONCORD_RETRY_XA_NOT_FOUND" || k.Group() != "retry" {
				t.Errorf("got %s, %s, %s", k.Flag(), k.Env(), k.Group())
			}
			return
		}
	}
	t.Error("retry.xaNotFound is missing")
}

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	got, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got.Config); diff != "" {
		t.Error(diff)
	}
}

func write(t *testing.T, yaml string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "concord.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestLaterSourcesOverruleEarlierOnes(t *testing.T) {
	t.Parallel()
	path := write(t, "data: /a\ntc: ':1'\nhttp: '127.0.0.1:2'\nretry:\n  first: 1s\nauth:\nstore: {cache: 2MiB}\n")
	got, err := Load(Sources{
		File:    path,
		Environ: []string{"CONCORD_TC=:3", "CONCORD_HTTP=127.0.0.1:4", "HOME=/x", "CONCORD_SERVER=http://x"},
		Flags:   flags(t, "--http", "127.0.0.1:5", "--dev", "--auth-keys", "a:b,c:d"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Data, want.TC, want.HTTP, want.Dev, want.Retry.First = "/a", ":3", "127.0.0.1:5", true, time.Second
	want.Store.Cache, want.Auth.Keys = 2*MiB, []string{"a:b", "c:d"}
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Error(diff)
	}
	for key, origin := range map[string]string{
		"data": "file " + path, "tc": "environment CONCORD_TC", "http": "flag --http", "log.level": "default",
	} {
		if got.Origin[key] != origin {
			t.Errorf("%s: origin %q, want %q", key, got.Origin[key], origin)
		}
	}
}

func TestMistakesNameTheKeyAndWhatToDo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, yaml string
		env, flags []string
		want       string
	}{
		{name: "unknown key", yaml: "retry: {frist: 1s}", want: "did you mean retry.first?"},
		{name: "key of another case", yaml: "DATA: x", want: "did you mean data?"},
		{name: "far key", yaml: "zzzzzzzzzz: x", want: "--print-config` lists all"},
		{name: "unknown variable", env: []string{"CONCORD_LOG_LEVLE=x"}, want: "did you mean CONCORD_LOG_LEVEL?"},
		{name: "far variable", env: []string{"CONCORD_POSTGRESQL_SERVER=x"},
			want: "POSTGRESQL_SERVER; `concord serve --print-config`"},
		{name: "not YAML", yaml: "a: [", want: "not valid YAML"},
		{name: "no unit", yaml: "retry: {first: 5}", want: `"5" is no duration; write a time with its unit`},
		{name: "bad number", flags: []string{"--session-max=many"}, want: "session.max (flag --session-max)"},
		{name: "bad bool", env: []string{"CONCORD_DEV=perhaps"}, want: "write true or false"},
		{name: "bad bytes", flags: []string{"--store-cache=64MB"}, want: "as in 512KiB"},
		{name: "huge bytes", flags: []string{"--store-cache=99999999999999999GiB"}, want: "as in 512KiB"},
		{name: "list for one", yaml: "data: [a, b]", want: "write one value"},
		{name: "scalar for a group", yaml: "retry: 5", want: "group of keys, as in retry.first: write the keys"},
		{name: "range", flags: []string{"--store-retention=1s"},
			want: "store.retention (flag --store-retention): 1s is not between 10m0s"},
		{name: "address", flags: []string{"--tc=8091"}, want: `tc (flag --tc): "8091" is not HOST:PORT`},
		{name: "port", flags: []string{"--tc=:99999"}, want: "not a number from 0 to 65535"},
		{name: "choice", flags: []string{"--log-level=loud"}, want: "none of debug, info, warn, error"},
		{name: "dev address", flags: []string{"--dev", "--http=0.0.0.0:8088"}, want: "must be a loopback"},
		{name: "dev host", flags: []string{"--dev", "--http=example.org:8088"}, want: "must be a loopback"},
		{name: "advertise", flags: []string{"--advertise=0.0.0.0:8091"}, want: "no address that a client"},
		{name: "no keys", flags: []string{"--auth-mode=enforce"}, want: "auth.keys: auth.mode is enforce"},
		{name: "call longer than its answer is awaited", flags: []string{"--callback-timeout=20s"},
			want: "callback.timeout (flag --callback-timeout): 20s is not less than retry.answer"},
		{name: "short secret stays secret", flags: []string{"--callback-secrets=hunter2"},
			want: "callback.secrets (flag --callback-secrets): secret 1 has 7 bytes"},
		{name: "secret stays secret", flags: []string{"--auth-keys=hunter2"}, want: "entry 1 is not accessKey:secretKey"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := Sources{Environ: tt.env, Flags: flags(t, tt.flags...)}
			if tt.yaml != "" {
				src.File = write(t, tt.yaml)
			}
			_, err := Load(src)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to contain %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	if _, err := Load(Sources{File: "/nowhere/concord.yaml"}); err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("got %v", err)
	}
}

func TestVariablesOfKubernetesServicesAreNoMistake(t *testing.T) {
	t.Parallel()
	_, err := Load(Sources{Environ: []string{
		"CONCORD_PORT=tcp://10.0.0.1:8091", "CONCORD_SERVICE_HOST=10.0.0.1", "CONCORD_SERVICE_PORT=8091",
		"CONCORD_SERVICE_PORT_HTTP=8088", "CONCORD_PORT_8091_TCP=tcp://10.0.0.1:8091",
		"CONCORD_PORT_8091_TCP_ADDR=10.0.0.1", "CONCORD_SERVER_SERVICE_HOST=10.0.0.2",
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestPrintedConfigurationReadsBackTheSameWithoutSecrets(t *testing.T) {
	t.Parallel()
	first, err := Load(Sources{Flags: flags(t, "--dev", "--data", `/tmp/a "b"`, "--retry-first", "1.5s",
		"--store-cache", "3MiB", "--auth-keys", "key:hunter2", "--auth-mode", "log")})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := first.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Error("a secret is printed")
	}
	for _, want := range []string{"flag --retry-first", "(1, not shown)", "# Least level that is logged"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	second, err := Load(Sources{File: write(t, out.String()), Environ: []string{"CONCORD_AUTH_KEYS=key:hunter2"}})
	if err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	if diff := cmp.Diff(first.Config, second.Config); diff != "" {
		t.Error(diff)
	}
}

func TestDevWithoutHostBindsTheLoopback(t *testing.T) {
	t.Parallel()
	c := Default()
	if got := c.HTTPAddress(); got != ":8088" {
		t.Errorf("without dev: %s", got)
	}
	c.Dev = true
	if got := c.HTTPAddress(); got != "127.0.0.1:8088" {
		t.Errorf("with dev: %s", got)
	}
}

func TestDefaultsAreThoseOfTheCoreAndTheRuntime(t *testing.T) {
	t.Parallel()
	c := Default()
	if diff := cmp.Diff(txn.DefaultRules(), c.Rules()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(orchestrator.DefaultLimits(), c.Runtime()); diff != "" {
		t.Error(diff)
	}
	c.Limits.LockWait = 0
	if got := c.Runtime().LockWait; got >= 0 {
		t.Errorf("lock wait 0 became %s, which the runtime takes for the default", got)
	}
}
