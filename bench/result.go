package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// result is what one cell gave: one line of JSON. Times are milliseconds unless the name says otherwise.
type result struct {
	Cell        string  `json:"cell"`
	Label       string  `json:"label,omitempty"`
	Server      string  `json:"server"`
	Durability  string  `json:"durability"`
	Machine     string  `json:"machine"`
	At          string  `json:"at"`
	Kind        string  `json:"kind"`
	Branches    int     `json:"branches"`
	RollbackPct int     `json:"rollbackPercent"`
	Keys        int     `json:"keys"`
	Connections int     `json:"connections"`
	Loop        string  `json:"loop"` // closed, poisson or constant
	InFlight    int     `json:"inFlight,omitempty"`
	Offered     float64 `json:"offeredPerSecond,omitempty"`
	Held        int64   `json:"heldLive,omitempty"`
	Seconds     float64 `json:"seconds"`

	OK           bool     `json:"ok"`
	Faults       []string `json:"faults,omitempty"`
	Rate         float64  `json:"answeredPerSecond"` // 0 if not OK
	FinishedRate float64  `json:"finishedPerSecond"` // 0 if not OK

	Begin    quantiles `json:"begin"`
	Register quantiles `json:"register"`
	End      quantiles `json:"end"`
	PhaseTwo quantiles `json:"phaseTwo"`
	Whole    quantiles `json:"whole"`
	Finished quantiles `json:"finished"`
	Late     quantiles `json:"driverLate"`

	ServerMicros float64   `json:"serverCPUMicrosPerTx"`
	DriverMicros float64   `json:"driverCPUMicrosPerTx"`
	ServerCores  float64   `json:"serverCores"`
	DriverCores  float64   `json:"driverCores"`
	OtherCores   float64   `json:"otherCores"` // everybody else on the machine; the kernel's own threads too
	StolenCores  float64   `json:"stolenCores"`
	RSSMiB       float64   `json:"serverRSSMiB"`
	WrittenPerTx float64   `json:"bytesWrittenPerTx"`
	Syncs        syncCount `json:"syncs"`
	Backlog      backlog   `json:"backlog"`
	DrainSeconds float64   `json:"drainSeconds"`
	Tally        tally     `json:"tally"`

	Cluster *clusterResult `json:"cluster,omitempty"` // nil on the embedded store
}

// result puts together what was read at both ends of the window.
func (b *bench) result(c cell, first, last reading) result {
	lat := b.fleet.latencies()
	seconds := float64(last.at-first.at) / float64(time.Second)
	answered := last.total.Answered - first.total.Answered
	r := result{
		Cell: c.name, Label: c.label, Server: "fake", Machine: b.o.machine, At: time.Now().UTC().Format(time.RFC3339),
		Kind: c.w.name(), Branches: c.w.branches, RollbackPct: c.w.rollback, Keys: c.w.keys,
		Connections: b.o.clients * (1 + b.o.rms), Loop: "closed", InFlight: c.inFlight, Offered: c.rate, Held: c.held,
		Seconds: seconds, Begin: lat.begin.quantiles(), Register: lat.register.quantiles(), End: lat.end.quantiles(),
		PhaseTwo: lat.phaseTwo.quantiles(), Whole: lat.whole.quantiles(), Finished: lat.finished.quantiles(),
		Late: lat.late.quantiles(), Tally: b.fleet.total(), RSSMiB: float64(last.server.RSSBytes) / (1 << 20),
	}
	if c.open() {
		r.Loop = c.arrival.String()
	}
	if b.server != nil {
		r.Server, r.Durability = b.server.name, b.server.durability
	}
	if seconds <= 0 || answered <= 0 {
		return r
	}
	per := func(n int64) float64 { return float64(n) / seconds }
	r.Rate, r.FinishedRate = per(answered), per(last.total.Finished-first.total.Finished)
	cpu, own := last.server.CPU-first.server.CPU, last.own-first.own
	micros := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(answered) }
	cores := func(d time.Duration) float64 { return d.Seconds() / seconds }
	r.ServerMicros, r.DriverMicros, r.ServerCores, r.DriverCores = micros(cpu), micros(own), cores(cpu), cores(own)
	others := last.machine.busy - first.machine.busy - cpu - own
	for i := range last.parts.usage {
		others -= last.parts.usage[i].CPU - first.parts.usage[i].CPU
	}
	r.OtherCores = max(0, cores(others))
	r.StolenCores = cores(last.machine.stolen - first.machine.stolen)
	r.Cluster = b.clusterResult(first, last, seconds, float64(answered))
	r.WrittenPerTx = float64(last.server.WriteBytes-first.server.WriteBytes) / float64(answered)
	return r
}

// report prints results as they come.
type report struct {
	lines io.Writer // JSON, one a line; nil: none
	table io.Writer
	file  *os.File // behind lines; nil: not ours
	rows  int
}

func newReport(lines, table io.Writer) *report { return &report{lines: lines, table: table} }

// Columns of the table. Pairs of times are p50/p99 in milliseconds, CPU is microseconds for each transaction.
const (
	rowFormat   = "%-22s %-16s %7s %11s %11s %11s %11s %9s %14s %6s %8s %14s  %s"
	tableHeader = "times are p50/p99 in ms; CPU is µs a transaction, server/driver; cores are server/driver/others"
)

// add reports one cell.
func (p *report) add(r result) error {
	if err := p.json(r); err != nil {
		return err
	}
	if p.rows == 0 {
		header := fmt.Sprintf(rowFormat, "cell", "load", "tx/s", "register", "end", "phase two", "whole", "CPU", "cores",
			"RSS", "syncs/tx", "backlog (+/s)", "check")
		if err := p.say("%s\n%s", tableHeader, header); err != nil {
			return err
		}
	}
	p.rows++
	load := fmt.Sprintf("%d in flight", r.InFlight)
	if r.Offered > 0 {
		load = fmt.Sprintf("%.0f/s %s", r.Offered, r.Loop)
	}
	check := "ok"
	if !r.OK {
		check = "FAILED: " + strings.Join(r.Faults, "; ")
	}
	if r.Cluster != nil {
		check += "\n" + r.Cluster.line()
	}
	pair := func(q quantiles) string { return fmt.Sprintf("%.2f/%.2f", q.P50, q.P99) }
	return p.say(rowFormat, strings.TrimSpace(r.Cell+" "+r.Label), load, fmt.Sprintf("%.0f", r.Rate), pair(r.Register),
		pair(r.End), pair(r.PhaseTwo), pair(r.Whole), fmt.Sprintf("%.1f/%.1f", r.ServerMicros, r.DriverMicros),
		fmt.Sprintf("%.2f/%.2f/%.2f", r.ServerCores, r.DriverCores, r.OtherCores), fmt.Sprintf("%.0fM", r.RSSMiB),
		fmt.Sprintf("%.3f", r.Syncs.PerTx), fmt.Sprintf("%d (%+.0f)", r.Backlog.Last, r.Backlog.PerSec), check)
}

// json writes any value as one line.
func (p *report) json(v any) error {
	if p.lines == nil {
		return nil
	}
	return json.NewEncoder(p.lines).Encode(v)
}

// say prints a sentence between rows.
func (p *report) say(format string, args ...any) error {
	_, err := fmt.Fprintf(p.table, format+"\n", args...)
	return err
}

// openReport opens the file for JSON, if there is to be one.
func openReport(path string, table io.Writer) (*report, error) {
	switch path {
	case "":
		return newReport(nil, table), nil
	case "-":
		return newReport(table, io.Discard), nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	p := newReport(file, table)
	p.file = file
	return p, nil
}

func (p *report) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}
