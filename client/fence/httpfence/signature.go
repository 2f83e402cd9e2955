package httpfence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed request.
const (
	TimestampHeader = "Concord-Timestamp" // seconds since 1970
	SignatureHeader = "Concord-Signature" // v1=HEX[,v1=HEX…]
)

// AgeMax is how far the timestamp of a request may be away from the receiver's clock.
const AgeMax = 5 * time.Minute

// ErrSignature is what every refusal of [Verify] is.
var ErrSignature = errors.New("httpfence: the request is not signed by the coordinator")

// Verify returns nil if a request, as a server has got it, with its whole body, was signed with one of the secrets
// within the last five minutes, else an error that is [ErrSignature]. Without secrets nothing is genuine. It looks at
// r.RequestURI, so whatever changes that before must not be in front of it.
func Verify(r *http.Request, body []byte, secrets [][]byte, now time.Time) error {
	seconds, err := strconv.ParseInt(r.Header.Get(TimestampHeader), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: no timestamp", ErrSignature)
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > AgeMax || age < -AgeMax {
		return fmt.Errorf("%w: its timestamp is %s off", ErrSignature, age.Round(time.Second))
	}
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") { // through a proxy: scheme://host/path
		target = r.URL.RequestURI()
	}
	for one := range strings.SplitSeq(r.Header.Get(SignatureHeader), ",") {
		text, ok := strings.CutPrefix(strings.TrimSpace(one), "v1=")
		if !ok {
			continue // a later version, beside this one
		}
		got, err := hex.DecodeString(text)
		if err != nil {
			continue
		}
		for _, secret := range secrets {
			if len(secret) > 0 && hmac.Equal(got, sum(secret, seconds, target, body)) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: no signature fits", ErrSignature)
}

// Sign signs a request that a service sends itself, such as a try, as the coordinator signs its own. The URL must be
// complete by then.
func Sign(r *http.Request, body, secret []byte, now time.Time) {
	r.Header.Set(TimestampHeader, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(SignatureHeader, "v1="+hex.EncodeToString(sum(secret, now.Unix(), r.URL.RequestURI(), body)))
}

// sum is the HMAC of the five lines that docs/PARTICIPANTS.md lists. The third is the same for every method.
func sum(secret []byte, seconds int64, target string, body []byte) []byte {
	digest := sha256.Sum256(body)
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "v1\n%d\nPOST\n%s\n%x", seconds, target, digest)
	return mac.Sum(nil)
}
