package seata

import "testing"

func TestHeadIDsAreNumbers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head []HeadEntry
		id   int64
		ok   bool
	}{
		"none":     {nil, 0, false},
		"another":  {[]HeadEntry{HeadID(HeadNextBranch, 7)}, 0, false},
		"zero":     {[]HeadEntry{HeadID(HeadBranch, 0)}, 0, true},
		"number":   {[]HeadEntry{{Key: "a"}, HeadID(HeadBranch, 1<<62)}, 1 << 62, true},
		"null":     {[]HeadEntry{{Key: HeadBranch, Null: true}}, 0, false},
		"text":     {[]HeadEntry{{Key: HeadBranch, Value: "seven"}}, 0, false},
		"negative": {[]HeadEntry{HeadID(HeadBranch, -1)}, -1, false},
	} {
		frame, err := AppendFrame(nil, Envelope{HeadMap: c.head, Codec: CodecSeata}, &BranchRegisterRequest{XID: "a:1:1"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeFrame(frame, DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := FindHeadID(got.HeadMap, HeadBranch); id != c.id || ok != c.ok {
			t.Errorf("%s: %d, %t", name, id, ok)
		}
	}
}
