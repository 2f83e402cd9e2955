package definition

import (
	"bytes"
	"testing"
)

// FuzzParse: whatever the bytes, Parse returns; what it accepts without an error is read again from its canonical
// form.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(`{"saga":1,"name":"a","steps":[{"id":"a","call":{"url":"${x}"}}]}`))
	f.Add([]byte("saga: 1\nname: a\nsteps:\n- &a {id: a, timer: {for: 1d2h}}\n- *a\n--- x"))
	f.Add([]byte("output: {a: '$$$${', b: 1e300, c: 0x1F, d: 2001-01-01, e: !!binary aGk=}\n<<: {a: 1}"))
	f.Add([]byte("{\"a\":\"\\ud800\",\"b\":1e999,\"c\":[[[{}]]]}"))
	f.Fuzz(func(t *testing.T, document []byte) {
		d, findings := Parse(document)
		if d == nil {
			if len(findings) == 0 {
				t.Fatal("neither a definition nor findings")
			}
			return
		}
		for _, finding := range findings {
			if finding.Text == "" || finding.Advice == "" || finding.Line < 1 {
				t.Errorf("an incomplete finding: %+v", finding)
			}
		}
		encoded := d.Canonical() // must not panic on a definition with findings either
		d.Order()
		if Broken(findings) {
			return
		}
		again, findings := Parse(encoded)
		if Broken(findings) {
			t.Fatalf("the canonical form is broken: %+v\n%s", findings, encoded)
		}
		if !bytes.Equal(encoded, again.Canonical()) {
			t.Fatalf("encoded twice, it differs:\n%s\n%s", encoded, again.Canonical())
		}
	})
}
