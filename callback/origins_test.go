package callback

import (
	"fmt"
	"strings"
	"testing"
)

func TestRememberedOriginsAreReadTheSame(t *testing.T) {
	t.Parallel()
	hosts := []string{
		"127.0.0.1:8080", "127.0.0.1", "localhost:80", "Shop.Example.COM", "shop.example.com.", "shop.example.com:443",
		"[::1]:8080", "[::1]", "[fd00::1]:1", "::1", "[127.0.0.1]", "1234", "0x7f.1", "a:b", "a:0", "a:65536", "a:", ":80",
		"", "a..b", "a_b", "user@host", "user:pass@host", "h?q=", "h#f", "h%41", "[::1%25eth0]", "xn--b-3fa.example",
		"[", "]:1",
	}
	paths := []string{
		"", "/", "/confirm/1", "//", "/a//b/../c", "/a~b", "/%41", "/a?b=c", "/a?concord-xid=1", "/a#b", "/a b", "/é", "/:x",
		"/a;b", "/" + strings.Repeat("x", urlBytesMax),
	}
	var o origins
	remembered := 0
	for range 2 { // once to be remembered, once to be found
		for _, scheme := range []string{"http://", "https://", "HTTP://", "ftp://", "http:/", ""} {
			for _, host := range hosts {
				for _, path := range paths {
					raw := scheme + host + path
					want, wantErr := parseURL(raw)
					got, err := o.parse(raw)
					if got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
						t.Fatalf("%.100q is %+v, %v; not %+v, %v", raw, got, err, want, wantErr)
					}
				}
			}
		}
	}
	for origin, e := range o.known {
		remembered++
		if e.origin == "" || strings.Count(origin, "/") != 2 {
			t.Errorf("%s is remembered as %+v", origin, e)
		}
	}
	if remembered < 10 {
		t.Errorf("%d origins are remembered", remembered)
	}
	for i := range 3 * originsMax {
		if _, err := o.parse(fmt.Sprintf("http://host-%d/", i)); err != nil {
			t.Fatal(err)
		}
		if len(o.known) > originsMax {
			t.Fatalf("%d origins are remembered", len(o.known))
		}
	}
}
