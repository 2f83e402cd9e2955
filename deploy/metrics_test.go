package deploy

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var (
	// quotedMetric matches a metric's name as the sources write it.
	quotedMetric = regexp.MustCompile(`"(tx_[a-z_]+)"`)
	// usedMetric matches a metric's name in a query.
	usedMetric = regexp.MustCompile(`\b(tx|process|go)_[a-z_]+\b`)
)

// exported returns the names of all metrics that the sources name.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{
		// Of the collectors that package web registers.
		"process_cpu_seconds_total": true, "process_resident_memory_bytes": true, "go_goroutines": true,
	}
	for _, dir := range []string{"cmd", "web", "store", "mq", "tc", "telemetry"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return err
			}
			text, err := os.ReadFile(p)
			for _, m := range quotedMetric.FindAllSubmatch(text, -1) {
				names[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !names["tx_begun_total"] || len(names) < 30 {
		t.Fatalf("only %d metrics were found", len(names))
	}
	return names
}

// unknown returns the metrics of a query that nobody exports.
func unknown(names map[string]bool, query string) []string {
	var out []string
	for _, m := range usedMetric.FindAllString(query, -1) {
		base := m
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			base = strings.TrimSuffix(base, suffix)
		}
		if !names[m] && !names[base] {
			out = append(out, m)
		}
	}
	return out
}

type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource struct{ UID string }
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct{ Expr, LegendFormat string }
}

func TestDashboardShowsMetricsThatExist(t *testing.T) {
	t.Parallel()
	var board struct {
		UID, Title string
		Panels     []panel
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(read(t, "deploy/grafana/dashboards/concord.json"), &board); err != nil {
		t.Fatal(err)
	}
	names := exported(t)
	source := dataSource(t)
	ids, rows := map[int]bool{}, 0
	for i, p := range board.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d, %q: its id is another one's, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows++
			continue
		}
		if p.Datasource.UID != source || len(p.Targets) == 0 {
			t.Errorf("%s: data source %s, %d queries", p.Title, p.Datasource.UID, len(p.Targets))
		}
		for _, q := range p.Targets {
			if !usedMetric.MatchString(q.Expr) && !strings.Contains(q.Expr, "up{") {
				t.Errorf("%s: %s shows nothing", p.Title, q.Expr)
			}
			for _, m := range unknown(names, q.Expr) {
				t.Errorf("%s: nobody exports %s", p.Title, m)
			}
			if strings.Count(q.Expr, "(") != strings.Count(q.Expr, ")") || q.LegendFormat == "" {
				t.Errorf("%s: %s lacks a bracket or a legend", p.Title, q.Expr)
			}
		}
		for _, other := range board.Panels[:i] {
			if overlap(p, other) {
				t.Errorf("%s lies on %s", p.Title, other.Title)
			}
		}
	}
	if rows != 7 {
		t.Errorf("%d rows", rows)
	}
	for _, v := range board.Templating.List {
		for _, m := range unknown(names, v.Definition) {
			t.Errorf("variable %s: nobody exports %s", v.Name, m)
		}
	}
	if got := unknown(names, `rate(tx_begun_totals[5m]) + tx_http_request_seconds_bucket`); len(got) != 1 {
		t.Errorf("the rule itself finds %v", got)
	}
}

func overlap(a, b panel) bool {
	p, q := a.GridPos, b.GridPos
	return p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H
}

func dataSource(t *testing.T) string {
	t.Helper()
	var file struct {
		Datasources []struct{ UID, URL string }
	}
	if err := yaml.Unmarshal(read(t, "deploy/grafana/provisioning/datasources/prometheus.yml"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Datasources) != 1 || file.Datasources[0].URL != "http://prometheus:9090" {
		t.Fatalf("data sources %+v", file.Datasources)
	}
	return file.Datasources[0].UID
}

func TestDashboardsAreProvidedWhereTheyAreMounted(t *testing.T) {
	t.Parallel()
	var file struct {
		Providers []struct{ Options struct{ Path string } }
	}
	if err := yaml.Unmarshal(read(t, "deploy/grafana/provisioning/dashboards/concord.yml"), &file); err != nil {
		t.Fatal(err)
	}
	mount := "./deploy/grafana/dashboards:" + file.Providers[0].Options.Path + ":ro"
	grafana := readCompose(t).Services["grafana"]
	if got := strings.Join(grafana.Volumes, "\n"); !strings.Contains(got, mount) {
		t.Errorf("%s is not among the volumes %s", mount, got)
	}
	home := grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if home != file.Providers[0].Options.Path+"/concord.json" {
		t.Errorf("home is %s", home)
	}
}

func TestPrometheusScrapesEveryNode(t *testing.T) {
	t.Parallel()
	var file struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(read(t, "deploy/prometheus/prometheus.yml"), &file); err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, s := range file.ScrapeConfigs {
		for _, c := range s.StaticConfigs {
			for _, target := range c.Targets {
				targets[target] = s.JobName == "concord"
			}
		}
	}
	for name, s := range nodes(t) {
		if target := name + loaded(t, s).HTTP; !targets[target] {
			t.Errorf("nobody asks %s; the targets are %v", target, targets)
		}
	}
	if len(targets) != len(nodes(t)) || len(file.RuleFiles) != 1 {
		t.Errorf("targets %v, rules %v", targets, file.RuleFiles)
	}
}

func TestAlertsLookAtMetricsThatExist(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations struct{ Summary string }
			}
		}
	}
	if err := yaml.Unmarshal(read(t, "deploy/prometheus/alerts.yml"), &file); err != nil {
		t.Fatal(err)
	}
	names, seen := exported(t), 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			seen++
			for _, m := range unknown(names, r.Expr) {
				t.Errorf("%s: nobody exports %s", r.Alert, m)
			}
			if r.Annotations.Summary == "" || !usedMetric.MatchString(r.Expr) && !strings.Contains(r.Expr, "up{") {
				t.Errorf("%s says nothing, or looks at nothing", r.Alert)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d alerts", seen)
	}
}
