package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/concord-tx/concord/tc/seata"
)

// hostileBytesMax is how much memory hostile peers may cost: about what is garbage between two collections.
const hostileBytesMax = raceFactor * 320 << 20

// frame is the header of a frame with what the peer claims of its length, and a body.
func frame(claimed uint32, codec, compressor byte, body []byte) []byte {
	f := []byte{0xda, 0xda, 1, 0, 0, 0, 0, 0, 16, byte(seata.RequestSync), codec, compressor, 0, 0, 0, 1}
	binary.BigEndian.PutUint32(f[3:], claimed)
	return append(f, body...)
}

// hostileBytes are what clients should not send, each for a connection of its own.
func hostileBytes(t *testing.T) map[string][]byte {
	t.Helper()
	noise := make([]byte, 256<<10)
	random := rand.NewChaCha8([32]byte{7})
	_, _ = random.Read(noise)
	bodies := map[string][]byte{
		"noise":           noise,
		"http":            []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"tls":             {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03},
		"endless":         frame(0xffffffff, byte(seata.CodecSeata), 0, noise),
		"too short":       frame(3, byte(seata.CodecSeata), 0, nil),
		"java objects":    frame(16+17, byte(seata.CodecHessian), 0, []byte("\xac\xed\x00\x05sr\x00\x01Axxxxxx")),
		"unknown codec":   frame(16+4, 0x7f, 0, []byte("body")),
		"unknown type":    frame(16+4, byte(seata.CodecSeata), 0, []byte{0x7f, 0xff, 1, 2}),
		"noise in a body": frame(uint32(16+len(noise)), byte(seata.CodecSeata), 0, noise),
		"noise as proto":  frame(uint32(16+len(noise)), byte(seata.CodecProtobuf), 0, noise),
	}
	zeros := make([]byte, 32<<20)
	for _, kind := range []seata.Compressor{seata.CompressorGzip, seata.CompressorZstd, seata.CompressorLZ4,
		seata.CompressorDeflater, seata.CompressorZip} {
		packed, err := new(seata.Compressors).Compress(kind, zeros)
		if err != nil {
			t.Fatal(err)
		}
		bodies["bomb "+kind.String()] = frame(uint32(16+len(packed)), byte(seata.CodecSeata), byte(kind), packed)
	}
	return bodies
}

// TestHostileBytesHarmNobodyElse throws them at a server, many times, while slow peers hold half a frame open.
func TestHostileBytesHarmNobodyElse(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), "--dev")
	p := connect(t, s.tc)
	p.answer(seata.BranchCommitted, seata.BranchRollbacked)
	before := p.begin("before", "orders:1")
	resident := s.residentPeak()
	send := func(data []byte) net.Conn {
		conn, err := net.DialTimeout("tcp", s.tc, patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = conn.Write(data) // the server may have closed it by now
		return conn
	}
	for i := range 50 { // they send a few bytes of a frame of 8 MB, and never the rest
		send(frame(8_000_000, byte(seata.CodecSeata), 0, nil)[:1+i%16])
	}
	for name, data := range hostileBytes(t) {
		for range 4 {
			conn := send(data)
			if name != "too short" && name != "unknown type" {
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn) // until the server closes it, with or without an answer
			}
			_ = conn.Close()
		}
	}
	r := p.ask(&seata.GlobalCommitRequest{XID: before}).(*seata.GlobalCommitResponse)
	if r.Status != seata.GlobalCommitted {
		t.Errorf("commit: %+v", r)
	}
	after := connect(t, s.tc)
	after.answer(seata.BranchCommitted, 0)
	after.begin("after", "orders:1")
	grown := s.residentPeak() - resident
	if grown > hostileBytesMax {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if lines := strings.Count(s.logs(), "\n"); lines > 60 {
		t.Errorf("%d lines in the log:\n%s", lines, s.logs())
	}
	_, metrics := s.get("/metrics")
	contains(t, metrics, "tx_panics_total 0\n")
}

// residentPeak returns the most memory that the process had, in bytes; 0 where the system does not tell.
func (p *process) residentPeak() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
