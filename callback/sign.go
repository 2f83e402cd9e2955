package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
)

// SecretBytesMin is the least length of a secret that signs calls.
const SecretBytesMin = 16

// signer signs requests. What is signed is five lines, joined by a line feed and without one at the end:
//
//	v1
//	1767225600                  Concord-Timestamp: seconds since 1970
//	POST                        the method
//	/confirm?a=b&concord-xid=…  path and query as they are in the request line
//	e3b0c442…                   SHA-256 of the body, in lower-case hexadecimal
//
// docs/PARTICIPANTS.md explains it to those who verify. A signer is used by one goroutine at a time.
type signer struct {
	macs []hash.Hash // one for each secret
	body hash.Hash
	text []byte
	sum  [sha256.Size]byte
}

func newSigner(secrets [][]byte) *signer {
	s := &signer{body: sha256.New()}
	for _, secret := range secrets {
		s.macs = append(s.macs, hmac.New(sha256.New, secret))
	}
	return s
}

// append appends the value of the Concord-Signature header to dst: v1=… for each secret, with a comma between them.
func (s *signer) append(dst []byte, seconds int64, target, body []byte) []byte {
	s.body.Reset()
	s.body.Write(body)
	text := append(s.text[:0], "v1\n"...)
	text = strconv.AppendInt(text, seconds, 10)
	text = append(text, "\nPOST\n"...)
	text = append(text, target...)
	text = append(text, '\n')
	text = hex.AppendEncode(text, s.body.Sum(s.sum[:0]))
	s.text = text
	for i, mac := range s.macs {
		if i > 0 {
			dst = append(dst, ',')
		}
		mac.Reset()
		mac.Write(text)
		dst = append(dst, "v1="...)
		dst = hex.AppendEncode(dst, mac.Sum(s.sum[:0]))
	}
	return dst
}

// Sign returns the value of the Concord-Signature header of a POST with one secret, for those who verify: target is
// the path with the query.
func Sign(secret []byte, seconds int64, target string, body []byte) string {
	return string(newSigner([][]byte{secret}).append(nil, seconds, []byte(target), body))
}

// checkSecrets refuses secrets that are too short to be any.
func checkSecrets(secrets [][]byte) error {
	for i, secret := range secrets {
		if len(secret) < SecretBytesMin {
			return fmt.Errorf("secret %d has %d bytes; it needs %d", i+1, len(secret), SecretBytesMin)
		}
	}
	return nil
}
