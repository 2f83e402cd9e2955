package callback

import (
	"strings"
	"testing"
)

// The vectors of docs/PARTICIPANTS.md. They were computed with another implementation.
func TestSignatureVectors(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		secret  string
		seconds int64
		target  string
		body    string
		want    string
	}{
		{"0123456789abcdef", 1767225600, "/confirm?concord-xid=10.0.0.1:8091:70&concord-branch=71&concord-operation=confirm" +
			"&concord-attempt=1&idempotency-key=10.0.0.1:8091:70/71/confirm", `{"sku":7}`,
			"v1=1f715e15fba04de383a1d4bf949ef4595386194124aa30f3fe8809334a3debfd"},
		{"0123456789abcdef", 1767225600, "/", "", "v1=6d4224c679ab339565f53f7be1f955114b323378c99e1457d1b42b2b5239478d"},
		{"schlüssel-mit-umlaut", 0, "/a?b=c%20d", "\x00\xff",
			"v1=21a17544df5cc45e1d57c32b85c1f9480de8e4503eb00e2c6390547778abe76a"},
	} {
		if got := Sign([]byte(v.secret), v.seconds, v.target, []byte(v.body)); got != v.want {
			t.Errorf("%s: %s, want %s", v.target, got, v.want)
		}
	}
}

func TestSeveralSecretsSignSideBySide(t *testing.T) {
	t.Parallel()
	newest, oldest := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	s := newSigner([][]byte{newest, oldest})
	for range 2 { // a signer is used again and again
		got := string(s.append(nil, 7, []byte("/x"), []byte("body")))
		want := Sign(newest, 7, "/x", []byte("body")) + "," + Sign(oldest, 7, "/x", []byte("body"))
		if got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}

func TestShortSecretsAreRefused(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Secrets: [][]byte{[]byte("0123456789abcdef"), []byte("short")}})
	if err == nil || !strings.Contains(err.Error(), "callback.secrets: secret 2") {
		t.Errorf("%v", err)
	}
}
