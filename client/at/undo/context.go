package undo

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// ErrUnreadable is the error for an undo log that this package cannot read: another serializer or compressor, damage,
// a class that it does not know. Nothing is undone. Another client may be able to, so it is no reason to give up.
var ErrUnreadable = errors.New("undo log cannot be read")

// Keys of the column context, as Seata's UndoLogConstants.java has them; the zone is ours and Java does not look at it.
const (
	keySerializer = "serializer"
	keyCompressor = "compressorType"
	keyZone       = "zone"
	keySubID      = "subId" // a log in several rows
)

// compressors are Java's names, CompressorType.java.
func compressors() map[string]seata.Compressor {
	return map[string]seata.Compressor{
		"": seata.CompressorNone, "NONE": seata.CompressorNone, "GZIP": seata.CompressorGzip, "ZIP": seata.CompressorZip,
		"BZIP2": seata.CompressorBzip2, "LZ4": seata.CompressorLZ4, "DEFLATER": seata.CompressorDeflater,
		"ZSTD": seata.CompressorZstd,
	}
}

// compressorName returns Java's name.
func compressorName(kind seata.Compressor) string {
	for name, k := range compressors() {
		if k == kind && name != "" {
			return name
		}
	}
	return "NONE"
}

// makeContext writes the column context.
func makeContext(kind seata.Compressor, zone string) string {
	name := "NONE"
	if kind != seata.CompressorNone {
		name = compressorName(kind)
	}
	context := keySerializer + "=jackson&" + keyCompressor + "=" + name
	if zone != "" {
		context += "&" + keyZone + "=" + zone
	}
	return context
}

// splitContext takes the numbers off a context that names the other rows of a log.
func splitContext(context string) (rest string, others []int64, err error) {
	var pairs []string
	for pair := range strings.SplitSeq(context, "&") {
		list, ok := strings.CutPrefix(pair, keySubID+"=")
		if !ok {
			pairs = append(pairs, pair)
			continue
		}
		for number := range strings.SplitSeq(strings.TrimSuffix(list, ","), ",") {
			id, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				return "", nil, fmt.Errorf("%w: %.40q is no number of a part", ErrUnreadable, number)
			}
			others = append(others, id)
		}
	}
	return strings.Join(pairs, "&"), others, nil
}

// readContext tells how a log is compressed and in which zone it was written, o's unless it says so.
func readContext(context string, o Options) (seata.Compressor, *time.Location, error) {
	values := map[string]string{keySerializer: "jackson"}
	for pair := range strings.SplitSeq(context, "&") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			values[key] = value
		}
	}
	if _, ok := values["serializerKey"]; ok {
		return 0, nil, fmt.Errorf("%w: it is one of seata-go, whose form has no classes", ErrUnreadable)
	}
	if s := values[keySerializer]; s != "jackson" {
		return 0, nil, fmt.Errorf("%w: serializer %.40q; set client.undo.log-serialization of who wrote it to jackson",
			ErrUnreadable, s)
	}
	if _, ok := values[keySubID]; ok {
		return 0, nil, fmt.Errorf("%w: it is only the first of several rows",
			ErrUnreadable)
	}
	kind, ok := compressors()[values[keyCompressor]]
	if !ok {
		return 0, nil, fmt.Errorf("%w: compressor %.40q", ErrUnreadable, values[keyCompressor])
	}
	name, ok := values[keyZone]
	if !ok {
		return kind, o.Location, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return 0, nil, fmt.Errorf("%w: zone %.60q is not in this machine's zone database", ErrUnreadable, name)
	}
	return kind, zone, nil
}
