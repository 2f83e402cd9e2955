package seata

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// The ZIP compressor is an archive with one entry. Java writes it with ZipOutputStream, so that sizes and checksum
// follow the data, and reads the first entry from its local header on, never the directory. So do we.
const (
	zipEntryName       = "zip" // Seata ZipUtil.java
	zipLocalSignature  = 0x04034b50
	zipLocalBytes      = 30
	zipDescriptor      = 0x08074b50
	zipFlagEncrypted   = 1 << 0
	zipFlagDescriptor  = 1 << 3
	zipMethodStored    = 0
	zipMethodDeflated  = 8
	zipDescriptorBytes = 12
)

// errZip means an archive that Seata does not write.
var errZip = errors.New("not a zip archive with one plain entry")

// writeZip returns the archive that holds body.
func (c *Compressors) writeZip(body []byte) ([]byte, error) {
	packed, err := c.writeStream(CompressorZip, body)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Grow(len(packed) + 128)
	w := zip.NewWriter(&out)
	entry, err := w.CreateRaw(&zip.FileHeader{
		Name: zipEntryName, Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(body),
		CompressedSize64: uint64(len(packed)), UncompressedSize64: uint64(len(body)),
	})
	if err != nil {
		return nil, err
	}
	if _, err := entry.Write(packed); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// readZip returns the content of the first entry.
func (c *Compressors) readZip(archive []byte, bytesMax int) ([]byte, error) {
	if len(archive) < zipLocalBytes || binary.LittleEndian.Uint32(archive) != zipLocalSignature {
		return nil, errZip
	}
	flags := binary.LittleEndian.Uint16(archive[6:])
	method := binary.LittleEndian.Uint16(archive[8:])
	checksum := binary.LittleEndian.Uint32(archive[14:])
	size := int(binary.LittleEndian.Uint32(archive[22:]))
	start := zipLocalBytes + int(binary.LittleEndian.Uint16(archive[26:])) + int(binary.LittleEndian.Uint16(archive[28:]))
	if start > len(archive) || flags&zipFlagEncrypted != 0 {
		return nil, errZip
	}
	data := archive[start:]
	var out []byte
	switch {
	case method == zipMethodDeflated:
		source := bytes.NewReader(data)
		var err error
		if out, err = c.readStream(CompressorZip, source, bytesMax); err != nil {
			return nil, err
		}
		data = data[len(data)-source.Len():]
	case method == zipMethodStored && flags&zipFlagDescriptor == 0 && size <= len(data):
		out = bytes.Clone(data[:size])
	default:
		return nil, errZip
	}
	if flags&zipFlagDescriptor != 0 {
		if len(data) >= 4 && binary.LittleEndian.Uint32(data) == zipDescriptor {
			data = data[4:]
		}
		if len(data) < zipDescriptorBytes {
			return nil, errZip
		}
		checksum, size = binary.LittleEndian.Uint32(data), int(binary.LittleEndian.Uint32(data[8:]))
	}
	if size != len(out) || checksum != crc32.ChecksumIEEE(out) {
		return nil, errZip
	}
	return out, nil
}
