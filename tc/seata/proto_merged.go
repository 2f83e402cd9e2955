package seata

import "bytes"

// merged reads { AbstractMessage = 1, repeated Any = 2, repeated int32 = 3 }.
func (r *protoReader) merged(code TypeCode) Message {
	var children []Message
	var ids []int32
	for r.pos < len(r.buf) {
		switch f := r.next(len(r.buf)); f.key {
		case 2<<3 | lengthed:
			children = append(children, r.any(f))
		case 3<<3 | varint:
			ids = append(ids, int32(f.value))
		case 3<<3 | lengthed:
			for r.pos = f.start; r.pos < f.end; {
				ids = append(ids, int32(r.varint(f.end)))
			}
		}
	}
	switch {
	case r.err != nil:
		return nil
	case code == TypeMergeResult:
		return &MergeResult{Messages: children}
	case code == TypeMergedRequest && (len(ids) == 0 || len(ids) == len(children)):
		return &MergedRequest{Messages: children, IDs: ids}
	case code == TypeBatchResult && len(ids) == len(children):
		return &BatchResult{Messages: children, IDs: ids}
	}
	r.fail("msgIds", ErrMergedIDs)
	return nil
}

// any reads one google.protobuf.Any; what follows the last slash of its URL is the message name. Java also demands that
// the package is the one of the message around it.
func (r *protoReader) any(f protoField) Message {
	var url, value protoField
	for r.pos = f.start; r.pos < f.end; {
		switch g := r.next(f.end); g.key {
		case 1<<3 | lengthed:
			url = g
		case 2<<3 | lengthed:
			value = g
		}
	}
	if r.err != nil {
		return nil
	}
	name := r.buf[url.start:url.end]
	code, pkg, ok := parseProtoName(name[bytes.LastIndexByte(name, '/')+1:])
	switch {
	case !ok || pkg != r.pkg:
		r.fail("msgs", ErrTypeCode)
		return nil
	case code.Merged():
		r.fail("msgs", ErrNested)
		return nil
	}
	r.pos = value.start
	m := r.message(code, value.end)
	if r.err == nil {
		r.pos = f.end
	}
	return m
}
