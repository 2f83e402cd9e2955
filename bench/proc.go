package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used since its start.
type usage struct {
	CPU        time.Duration // user and system
	RSSBytes   int64
	WriteBytes int64 // sent towards the disk
	WriteCalls int64 // write system calls of any kind, sockets included
}

// clockTick is the unit of /proc/PID/stat: USER_HZ is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// readUsage reads the numbers of a process from /proc.
func readUsage(pid int) (usage, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, err
	}
	cpu, err := parseStat(stat)
	if err != nil {
		return usage{}, err
	}
	u := usage{CPU: cpu}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return usage{}, err
	}
	u.RSSBytes = parseField(status, "VmRSS:") * 1024
	if io, err := os.ReadFile(dir + "/io"); err == nil { // needs rights that the CPU does not
		u.WriteBytes = parseField(io, "write_bytes:")
		u.WriteCalls = parseField(io, "syscw:")
	}
	return u, nil
}

// parseStat returns the user and system time in the text of /proc/PID/stat. The name of the program is in parentheses
// and may hold anything, so the fields are counted from the last one.
func parseStat(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, fmt.Errorf("parse process times: no program name in %q", stat)
	}
	fields := strings.Fields(string(stat[end+1:]))
	const user, system = 11, 12 // fields 14 and 15, of which the first two are gone
	if len(fields) <= system {
		return 0, fmt.Errorf("parse process times: %d fields", len(fields))
	}
	var ticks int64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse process times: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// parseField returns the number after a key at the start of a line, or 0.
func parseField(text []byte, key string) int64 {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), key)
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return 0
		}
		n, _ := strconv.ParseInt(fields[0], 10, 64) // 0 is what an unreadable number says
		return n
	}
	return 0
}

// machineCPU is how long the machine's cores have been busy, and how long a hypervisor kept them from us.
type machineCPU struct{ busy, stolen time.Duration }

func readMachineCPU() machineCPU {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineCPU{}
	}
	return parseMachineCPU(text)
}

// parseMachineCPU reads the first line of /proc/stat: user nice system idle iowait irq softirq steal.
func parseMachineCPU(text []byte) machineCPU {
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	const idle, wait, steal = 4, 5, 8
	if len(fields) <= steal || fields[0] != "cpu" {
		return machineCPU{}
	}
	var m machineCPU
	for i, f := range fields[1 : steal+1] {
		n, _ := strconv.ParseInt(f, 10, 64) // 0 is what an unreadable number says
		switch i + 1 {
		case idle, wait:
		case steal:
			m.stolen = time.Duration(n) * clockTick
		default:
			m.busy += time.Duration(n) * clockTick
		}
	}
	return m
}
