package undo

import (
	"log/slog"
	"time"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/tc/seata"
)

// The two packages that Seata's classes have been in: the first since 2.1, the second before.
const (
	PrefixApache = "org.apache.seata"
	PrefixOld    = "io.seata"
)

// Limits and defaults.
const (
	// DefaultCompressAbove is Java's client.undo.compress.threshold.
	DefaultCompressAbove = 64 << 10
	// DefaultBytesMax bounds an undo log before compression.
	DefaultBytesMax = 128 << 20
	// DefaultTable is Java's client.undo.log-table.
	DefaultTable = "undo_log"
)

// Options say how undo logs are written and read. The zero value is what Java clients from 2.1 on understand whose
// zone is UTC.
type Options struct {
	// Prefix is the package of the classes that are written; empty is PrefixApache. Clients before 2.1 need PrefixOld.
	// Both are always read.
	Prefix string
	// Location is the zone that Java's virtual machines have which share the database; nil is UTC, the default of
	// go-sql-driver's loc. Java writes dates and times as moments, so that both sides have to agree. What Go wrote is
	// always read in the zone that it was written in, if that has a name in the zone database.
	Location *time.Location
	// DateTimeAsTimestamp writes datetime columns as java.sql.Timestamp, as Connector/J before 8.0.23 reads them,
	// instead of java.time.LocalDateTime.
	DateTimeAsTimestamp bool
	// Compressor is for logs above CompressAbove bytes; the zero value is ZIP as in Java. NoCompression says never.
	Compressor    seata.Compressor
	NoCompression bool
	// CompressAbove is in bytes; 0 is DefaultCompressAbove.
	CompressAbove int
	// BytesMax bounds a log before compression, written or read; 0 is DefaultBytesMax.
	BytesMax int
	// Table is where undo logs are, without schema or with it; empty is DefaultTable.
	Table string
	// Logger hears of deletions that have to be tried again; nil is nobody.
	Logger *slog.Logger
}

// table returns the table's name for SQL.
func (o Options) table() (string, error) {
	s, table, err := schema.Split(o.Table)
	if err != nil {
		return "", err
	}
	if s != "" {
		return schema.Quote(s) + "." + schema.Quote(table), nil
	}
	return schema.Quote(table), nil
}

// filled returns the options with their defaults.
func (o Options) filled() Options {
	if o.Prefix == "" {
		o.Prefix = PrefixApache
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Compressor == seata.CompressorNone {
		o.Compressor = seata.CompressorZip
	}
	if o.CompressAbove <= 0 {
		o.CompressAbove = DefaultCompressAbove
	}
	if o.BytesMax <= 0 {
		o.BytesMax = DefaultBytesMax
	}
	if o.Table == "" {
		o.Table = DefaultTable
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
