package seata

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ExtraData is what a transaction manager tells in RegisterTMRequest.ExtraData, in lines key=value. Keys that are
// missing are "". Seata TmNettyRemotingClient.java: getExtraData.
type ExtraData struct {
	AccessKey   string // ak; "" also where Java wrote the text "null"
	Digest      string // digest: the signature, or the signed text itself if the client has no secret key
	Timestamp   string // timestamp: milliseconds since 1970, as text
	AuthVersion string // authVersion: "V4" since 1.5
	VGroup      string // vgroup: transaction service group
	IP          string // ip: the client's own view of its address
}

// ParseExtraData reads the lines; unknown keys and lines without "=" are ignored, of repeated keys the last one counts.
func ParseExtraData(text string) ExtraData {
	var e ExtraData
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if !ok {
			continue
		}
		switch key {
		case "ak":
			if value == "null" {
				value = ""
			}
			e.AccessKey = value
		case "digest":
			e.Digest = value
		case "timestamp":
			e.Timestamp = value
		case "authVersion":
			e.AuthVersion = value
		case "vgroup":
			e.VGroup = value
		case "ip":
			e.IP = value
		}
	}
	return e
}

// String returns the lines as a 1.5+ client writes them.
func (e ExtraData) String() string {
	accessKey := e.AccessKey
	if accessKey == "" {
		accessKey = "null"
	}
	return "ak=" + accessKey + "\ndigest=" + e.Digest + "\ntimestamp=" + e.Timestamp + "\nauthVersion=" + e.AuthVersion +
		"\nvgroup=" + e.VGroup + "\nip=" + e.IP + "\n"
}

// SignedText returns the text that the digest signs: group,ip,timestamp.
func (e ExtraData) SignedText() string { return e.VGroup + "," + e.IP + "," + e.Timestamp }

// Sign returns the signature of the default signer of clients since 1.5: a chain of HMAC-SHA256 keys over the UTC day
// of the timestamp, in base64. Seata DefaultAuthSigner.java, RamSignAdapter.java.
func Sign(text, secret string, timestampMillis int64) string {
	day := time.UnixMilli(timestampMillis).UTC().Format("20060102")
	key := []byte("aliyun_v4" + secret)
	for _, part := range [...]string{day, "cn-beijing", "seata", "aliyun_v4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return base64.StdEncoding.EncodeToString(key)
}

// VerifySignature checks the digest against the secret that belongs to e.AccessKey, in constant time. How old a
// timestamp may be is for the caller to decide; it is returned. The error is an ErrSignature.
func (e ExtraData) VerifySignature(secret string) (timestamp time.Time, err error) {
	millis, err := strconv.ParseInt(e.Timestamp, 10, 64)
	if err != nil || secret == "" {
		return time.Time{}, fmt.Errorf("verify registration: %w", ErrSignature)
	}
	if !hmac.Equal([]byte(e.Digest), []byte(Sign(e.SignedText(), secret, millis))) {
		return time.Time{}, fmt.Errorf("verify registration: %w", ErrSignature)
	}
	return time.UnixMilli(millis), nil
}
