package expressions

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDocumentsAreReadTheSameInBothWays(t *testing.T) {
	t.Parallel()
	same := func(text string) {
		got, err := Decode([]byte(text))
		want, wrong := decodeAny([]byte(text))
		if diff := cmp.Diff(want, got); diff != "" || fmt.Sprint(err) != fmt.Sprint(wrong) {
			t.Fatalf("%q: %s, %v instead of %v", text, diff, err, wrong)
		}
		written, err := Encode(got)
		whole, wrong := encodeAny(got)
		if string(written) != string(whole) || fmt.Sprint(err) != fmt.Sprint(wrong) {
			t.Fatalf("%q is written as %q, %v instead of %q, %v", text, written, err, whole, wrong)
		}
	}
	documents := []string{
		`{"b":[],"a":{},"long name":"<&>~ \\\\ \u007f","x":[{"y":[[null]]},false]}`, `{"b":[1,{"c":"d","a":"e"}],"a":"f"}`,
		`{"a":[1,2.5,-0,"x"],"b":{"c":null,"a":true}}`, `1e5`, `1.0`, `-0.0`, `123456789012345`, `1234567890123456`,
		`9007199254740993`, `9223372036854775807`, `99999999999999999999`, `0.1234567890123456789`, `1e400`, `1E-9`, `""`,
		`"\u00e9\ud83d"`, `{"a":1,"a":2}`, ``, ` `, `1 2`, `{"a":1}x`, `01`, `-`, `{"a"}`, `[1,]`,
		"\"\xff\"", `100000000000000000e-17`,
		`12345678.12345678`, `1e15`, `1e16`, `123456789e9`, `4e18`,
	}
	const bytes = `{}[]:,"\ 0123456789.-+eEnulltrefas` + "\n\x00\xff"
	c := rand.New(rand.NewPCG(5, 6))
	for _, text := range documents {
		same(text)
	}
	for range 50_000 {
		text := []byte(documents[c.IntN(len(documents))])
		for range 1 + c.IntN(3) {
			if at := c.IntN(len(text) + 1); at == len(text) {
				text = append(text, bytes[c.IntN(len(bytes))])
			} else {
				text[at] = bytes[c.IntN(len(bytes))]
			}
		}
		same(string(text))
	}
}
