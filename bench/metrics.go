package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metrics are the samples of a Prometheus page by name and labels as written: `tx_ended_total{outcome="commit"}`.
type metrics map[string]float64

// scrape reads the server's /metrics.
func scrape(ctx context.Context, http string) (metrics, error) {
	body, err := get(ctx, "http://"+http+"/metrics")
	if err != nil {
		return nil, err
	}
	return parseMetrics(string(body)), nil
}

// parseMetrics reads the text format; lines that it does not understand are left out.
func parseMetrics(text string) metrics {
	m := metrics{}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.LastIndexByte(line, '}') + 1
		space := strings.IndexByte(line[end:], ' ')
		if space < 0 {
			continue
		}
		value, _, _ := strings.Cut(strings.TrimSpace(line[end+space:]), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			m[line[:end+space]] = v
		}
	}
	return m
}

// shared are metrics that each node reads from the store: they are the same on all.
var shared = [...]string{"tx_live", "tx_locks"}

// plus adds up the numbers of several nodes.
func (m metrics) plus(other metrics) metrics {
	if m == nil {
		return other
	}
	for key, v := range other {
		if slices.Contains(shared[:], key) {
			m[key] = max(m[key], v)
		} else {
			m[key] += v
		}
	}
	return m
}

// sum adds up all samples of a name, whatever their labels.
func (m metrics) sum(name string) (total float64, found bool) {
	for key, v := range m {
		if base, _, _ := strings.Cut(key, "{"); base == name {
			total += v
			found = true
		}
	}
	return total, found
}

const httpWait = 30 * time.Second

// get reads a page that must answer 200.
func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, httpWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return body, fmt.Errorf("get %s: status %d", url, resp.StatusCode)
	}
	return body, nil
}
