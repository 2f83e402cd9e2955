package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTraceSettings(t *testing.T) {
	t.Parallel()
	loaded, err := Load(Sources{Environ: []string{
		"CONCORD_TRACE_ENDPOINT=http://collector:4318", "CONCORD_TRACE_SAMPLE=2.5%",
		"CONCORD_TRACE_HEADERS=Authorization=Basic abc==, X-Tenant = a", "OTEL_SERVICE_NAME=shop",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Trace.Sample != 0.025 || loaded.Trace.Endpoint != "http://collector:4318" {
		t.Errorf("%+v", loaded.Trace)
	}
	want := map[string]string{"Authorization": "Basic abc==", "X-Tenant": "a"}
	if diff := cmp.Diff(want, loaded.Trace.HeaderMap()); diff != "" {
		t.Error(diff)
	}
	var out strings.Builder
	if err := loaded.Print(&out); err != nil || strings.Contains(out.String(), "abc") ||
		!strings.Contains(out.String(), "sample: 0.025") {
		t.Errorf("%v: %s", err, out.String())
	}
	for _, bad := range []string{
		"CONCORD_TRACE_ENDPOINT=collector:4318", "CONCORD_TRACE_ENDPOINT=ftp://c", "CONCORD_TRACE_SAMPLE=2",
		"CONCORD_TRACE_SAMPLE=-1", "CONCORD_TRACE_SAMPLE=NaN", "CONCORD_TRACE_SAMPLE=much", "CONCORD_TRACE_HEADERS=a",
		"CONCORD_TRACE_HEADERS==b",
	} {
		if _, err := Load(Sources{Environ: []string{bad}}); err == nil || !strings.Contains(err.Error(), "trace.") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
