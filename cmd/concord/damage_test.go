package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestADamagedStoreIsRefused changes one byte in a file of a copy. Nothing may start with less than was answered.
func TestADamagedStoreIsRefused(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for life := range 2 { // the first one's log is a table after the second start
		s := start(t, data)
		p := connect(t, s.tc)
		for i := range 40 {
			p.begin("some", fmt.Sprintf("orders:%d-%d", life, i))
		}
		s.kill()
	}
	names, err := filepath.Glob(data + "/*")
	if err != nil {
		t.Fatal(err)
	}
	manifests, _ := filepath.Glob(data + "/MANIFEST-*")
	for _, path := range names {
		name := filepath.Base(path)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		end := len(bytes.TrimRight(raw, "\x00"))
		var at []int
		switch {
		case filepath.Ext(name) == ".log": // what is later than most cannot be told from what a power failure cut off
			at = []int{0, 9, end / 4, end / 2}
		case filepath.Ext(name) == ".sst":
			at = []int{0, end / 4, end / 2, end - 1}
		case path == slices.Max(manifests):
			at = []int{0, 9, end / 2, end - 3}
		}
		for _, i := range at {
			t.Run(fmt.Sprintf("%s at %d of %d", name, i, end), func(t *testing.T) {
				t.Parallel()
				harmed := filepath.Join(t.TempDir(), "data")
				if err := os.CopyFS(harmed, os.DirFS(data)); err != nil {
					t.Fatal(err)
				}
				other := slices.Clone(raw)
				other[i] ^= 0x40
				if err := os.WriteFile(filepath.Join(harmed, name), other, 0o600); err != nil {
					t.Fatal(err)
				}
				refusesDamage(t, harmed)
			})
		}
	}
}

func TestAStoreWithoutItsManifestIsRefused(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := start(t, data)
	connect(t, s.tc).begin("some", "orders:1")
	s.kill()
	markers, err := filepath.Glob(data + "/marker.manifest.*")
	if err != nil || len(markers) == 0 {
		t.Fatal(markers, err)
	}
	for _, path := range append(markers, filepath.Join(data, "CURRENT")) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	refusesDamage(t, data)
}

func TestAStoreWithoutItsLogIsRefused(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for range 2 {
		s := start(t, data)
		connect(t, s.tc).begin("some", "orders:"+s.tc)
		s.kill()
	}
	logs, err := filepath.Glob(data + "/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	for _, path := range logs {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	refusesDamage(t, data)
}

// refusesDamage starts a server that has to end by itself.
func refusesDamage(t *testing.T, data string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := command(ctx, nil, "serve", "--data", data, "--tc", "127.0.0.1:0", "--http", "127.0.0.1:0")
	var log bytes.Buffer
	cmd.Stderr = &log
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	contains(t, log.String(), "store is damaged", "A damaged data directory")
	if strings.Contains(log.String(), "choose another one") {
		t.Errorf("misleading advice:\n%s", log.String())
	}
}

func TestALogThatACrashCutOffIsRecovered(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := start(t, data)
	p := connect(t, s.tc)
	first, last := p.begin("first", "orders:1"), p.begin("last", "orders:2")
	s.kill()
	logs, err := filepath.Glob(data + "/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	raw, err := os.ReadFile(slices.Max(logs))
	if err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(raw, "\x00"))
	if err := os.WriteFile(slices.Max(logs), raw[:end-9], 0o600); err != nil {
		t.Fatal(err)
	}
	s = start(t, data, "--dev")
	contains(t, s.ok("tx", "show", first), "Active", "locks 1 row")
	if r := s.do("tx", "show", last); r.code != exitFailure {
		t.Errorf("the record that was cut off is there: %+v", r)
	}
}
