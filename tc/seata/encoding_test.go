package seata

import (
	"errors"
	"strings"
	"testing"
)

// TestExceptionCodeOrdinals spells out the table of section 4.5 of the protocol notes, independently of the code's own.
func TestExceptionCodeOrdinals(t *testing.T) {
	t.Parallel()
	versions := []ClientVersion{0, MakeClientVersion(1, 1, 0), MakeClientVersion(1, 4, 2), MakeClientVersion(1, 5, 0),
		MakeClientVersion(1, 6, 1), MakeClientVersion(1, 7, 0), MakeClientVersion(1, 8, 0), MakeClientVersion(2, 0, 0),
		MakeClientVersion(2, 6, 0)}
	later := map[ExceptionCode][]int{
		ExceptionNotRaftLeader:           {-1, -1, -1, -1, -1, -1, -1, 19, 19},
		ExceptionLockKeyConflictFailFast: {-1, -1, -1, 19, 19, 19, 19, 20, 20},
		ExceptionTransactionTimeout:      {-1, -1, -1, -1, -1, 20, 20, 21, 21},
		ExceptionCommitHeuristic:         {-1, -1, -1, -1, -1, 21, 21, 22, 22},
		ExceptionBroken:                  {-1, -1, -1, -1, -1, 22, 22, 23, 23},
	}
	for i, v := range versions {
		for c := ExceptionUnknown; c <= ExceptionFailedStore; c++ {
			if got := c.SeataOrdinal(v); got != byte(c) || ExceptionCodeOf(got, v) != c {
				t.Errorf("%s for %s: %d", c, v, got)
			}
		}
		for c, ordinals := range later {
			want := ordinals[i]
			if want >= 0 {
				if got := c.SeataOrdinal(v); int(got) != want || ExceptionCodeOf(got, v) != c {
					t.Errorf("%s for %s: %d, want %d", c, v, got, want)
				}
				continue
			}
			nearest := ExceptionUnknown
			if c == ExceptionLockKeyConflictFailFast {
				nearest = ExceptionLockKeyConflict
			}
			if got := c.SeataOrdinal(v); got != byte(nearest) {
				t.Errorf("%s for %s: %d, want %s", c, v, got, nearest)
			}
		}
		for _, ordinal := range []byte{24, 100, 255} {
			if got := ExceptionCodeOf(ordinal, v); got != ExceptionUnknown {
				t.Errorf("ordinal %d of %s: %s", ordinal, v, got)
			}
		}
	}
	if got := ExceptionCodeOf(20, MakeClientVersion(1, 5, 2)); got != ExceptionUnknown {
		t.Errorf("a number of seata-go's own: %s", got)
	}
}

// TestExceptionCodeProtoNumbers spells out the table of section 3.5.
func TestExceptionCodeProtoNumbers(t *testing.T) {
	t.Parallel()
	want := []ExceptionCode{ExceptionUnknown, ExceptionLockKeyConflict, ExceptionIO,
		ExceptionBranchRollbackFailedRetriable, ExceptionBranchRollbackFailedUnretriable, ExceptionBranchRegisterFailed,
		ExceptionBranchReportFailed, ExceptionLockableCheckFailed, ExceptionBranchTransactionNotExist,
		ExceptionGlobalTransactionNotExist, ExceptionGlobalTransactionNotActive, ExceptionGlobalTransactionStatusInvalid,
		ExceptionFailedToSendBranchCommitRequest, ExceptionFailedToSendBranchRollbackRequest, ExceptionFailedToAddBranch,
		ExceptionFailedLockGlobalTransaction, ExceptionFailedWriteSession, ExceptionFailedStore}
	for number, c := range want {
		if got := c.ProtoNumber(); got != uint64(number) || exceptionCodeOfProto(got) != c {
			t.Errorf("%s: %d, want %d", c, got, number)
		}
	}
	for c, number := range map[ExceptionCode]uint64{ExceptionBeginFailed: 0, ExceptionNotRaftLeader: 0,
		ExceptionLockKeyConflictFailFast: 1, ExceptionTransactionTimeout: 0, ExceptionBroken: 0} {
		if got := c.ProtoNumber(); got != number {
			t.Errorf("%s: %d, want %d", c, got, number)
		}
	}
	for _, number := range []uint64{18, 99, 1 << 40, ^uint64(0)} {
		if got := exceptionCodeOfProto(number); got != ExceptionUnknown {
			t.Errorf("number %d: %s", number, got)
		}
	}
}

func TestGlobalStatusForOldClients(t *testing.T) {
	t.Parallel()
	v14, v15, v22, v23 := MakeClientVersion(1, 4, 2), MakeClientVersion(1, 5, 0), MakeClientVersion(2, 2, 0),
		MakeClientVersion(2, 3, 0)
	tests := []struct {
		s                               GlobalStatus
		unknown, in14, in15, in22, in23 GlobalStatus
	}{
		{GlobalCommitRetryTimeout, 10, 10, 16, 16, 16},
		{GlobalRollbackRetryTimeout, 12, 12, 17, 17, 17},
		{GlobalDeleting, 15, 15, 15, 15, 18},
		{GlobalStopCommitOrCommitRetry, 3, 3, 3, 3, 19},
		{GlobalStopRollbackOrRollbackRetry, 5, 5, 5, 5, 20},
	}
	for _, tt := range tests {
		want := map[ClientVersion]GlobalStatus{0: tt.unknown, v14: tt.in14, v15: tt.in15, v22: tt.in22, v23: tt.in23}
		for v, s := range want {
			if got := tt.s.For(v, CodecSeata); got != s {
				t.Errorf("%s for %s: %s, want %s", tt.s, v, got, s)
			}
			if got := tt.s.For(v, CodecProtobuf); got != tt.unknown {
				t.Errorf("%s for %s in PROTOBUF: %s, want %s", tt.s, v, got, tt.unknown)
			}
		}
	}
	for s := GlobalStatusNull; s <= GlobalFinished; s++ {
		if got := s.For(0, CodecProtobuf); got != s {
			t.Errorf("%s: %s", s, got)
		}
	}
}

func TestBranchStatusInProtobuf(t *testing.T) {
	t.Parallel()
	for s := BranchUnknown; s <= BranchRollbackFailedUnretryable; s++ {
		if n, ok := s.protoNumber(0); n != uint64(s) || !ok {
			t.Errorf("%s: %d, %v", s, n, ok)
		}
	}
	if n, ok := BranchCommitXAERNOTARetryable.protoNumber(0); n != 6 || !ok {
		t.Errorf("11: %d, %v", n, ok)
	}
	if n, ok := BranchRollbackXAERNOTARetryable.protoNumber(0); n != 9 || !ok {
		t.Errorf("12: %d, %v", n, ok)
	}
	if _, ok := BranchPhaseOneReadOnly.protoNumber(MakeClientVersion(2, 1, 0)); ok {
		t.Error("13 before 2.2")
	}
	if n, ok := BranchPhaseOneReadOnly.protoNumber(MakeClientVersion(2, 2, 0)); n != 13 || !ok {
		t.Errorf("13: %d, %v", n, ok)
	}
	for _, s := range []BranchStatus{BranchStopRetry, 15, 255} {
		if _, ok := s.protoNumber(MakeClientVersion(2, 6, 0)); ok {
			t.Errorf("%s is encodable", s)
		}
	}
}

func TestParseClientVersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want ClientVersion
	}{
		{"1.5.0", 1_05_00_00}, {"1.8.0", MakeClientVersion(1, 8, 0)}, {"2.1.0-SNAPSHOT", MakeClientVersion(2, 1, 0)},
		{"2.0", MakeClientVersion(2, 0, 0)}, {"2", MakeClientVersion(2, 0, 0)}, {"1.4.2.1", MakeClientVersion(1, 4, 2) + 1},
		{"1.5.0-native-rc1", MakeClientVersion(1, 5, 0)}, {"1.x.3", MakeClientVersion(1, 0, 3)},
		{"1.5.0.kylin", MakeClientVersion(1, 5, 0)},
	}
	for _, tt := range tests {
		got, err := ParseClientVersion(tt.text)
		if got != tt.want || err != nil {
			t.Errorf("%q: %d (%s), %v, want %d", tt.text, got, got, err, tt.want)
		}
	}
	for _, text := range []string{"", " ", "1.2.3.4.5", "10000.0", "1.99999999999999999999"} {
		if v, err := ParseClientVersion(text); !errors.Is(err, ErrClientVersion) || v.Known() {
			t.Errorf("%q: %v, %v", text, v, err)
		}
	}
	v := MakeClientVersion(1, 5, 2)
	if !v.AtLeast(1, 5) || v.AtLeast(1, 6) || !v.AtLeast(0, 9) || v.AtLeast(2, 0) || ClientVersion(0).AtLeast(0, 0) {
		t.Error("AtLeast")
	}
	for v, want := range map[ClientVersion]string{v: "1.5.2", 0: "unknown", MakeClientVersion(12, 3, 99): "12.3.99"} {
		if v.String() != want {
			t.Errorf("%s, want %s", v, want)
		}
	}
}

func TestEveryEnumValueHasAName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	check := func(name string, known bool) {
		t.Helper()
		if strings.Contains(name, "(") == known || name == "" {
			t.Errorf("name %q, known %v", name, known)
		}
		if seen[name] {
			t.Errorf("name %q twice", name)
		}
		seen[name] = true
	}
	for s := GlobalStatusNull; s <= 21; s++ {
		check("global "+s.String(), s <= 20)
	}
	for s := range BranchStatus(16) {
		check("branch "+s.String(), s.Valid())
	}
	for b := range BranchType(6) {
		check("type "+b.String(), b.Valid())
	}
	for c := range ExceptionCode(25) {
		check("exception "+c.String(), c.Valid())
	}
	for m := range MessageType(6) {
		check("message "+m.String(), m <= HeartbeatResponse)
	}
	for c := range Compressor(9) {
		check("compressor "+c.String(), c <= CompressorZstd)
	}
	for r := range ResultCode(3) {
		check("result "+r.String(), r <= Success)
	}
	for _, c := range []Codec{1, 2, 4, 8, 22, 40, 50, 86, 87, 100} {
		check("codec "+c.String(), true)
	}
	check("codec "+Codec(3).String(), false)
	for _, code := range allTypeCodes() {
		check("code "+code.String(), true)
	}
	check("code "+TypeCode(19).String(), false)
}

// allTypeCodes lists all codes of messages with a body, and the heartbeat.
func allTypeCodes() []TypeCode {
	codes := []TypeCode{TypeHeartbeat}
	for code := range TypeCode(200) {
		if protoBaseName(code) != "" {
			codes = append(codes, code)
		}
	}
	return codes
}

func TestProtoNames(t *testing.T) {
	t.Parallel()
	names := 0
	for code := range TypeCode(200) {
		base := protoBaseName(code)
		if base == "" {
			continue
		}
		names++
		for _, pkg := range []ProtoPackage{ProtoPackageIO, ProtoPackageApache} {
			got, gotPackage, ok := parseProtoName([]byte(pkg.String() + "." + base + "Proto"))
			if got != code || gotPackage != pkg || !ok {
				t.Errorf("%s: %s %s %v", base, got, gotPackage, ok)
			}
		}
	}
	if names != 28 {
		t.Errorf("%d names", names)
	}
	for _, name := range []string{"", "GlobalBeginRequestProto", "io.seata.protocol.protobuf.GlobalBeginRequest",
		"io.seata.protocol.protobuf.NoSuchProto", "io.seata.GlobalBeginRequestProto", "io.seata.protocol.protobuf.Proto",
		"org.apache.seata.protocol.protobuf.MergeResultMessageProto"} {
		if code, _, ok := parseProtoName([]byte(name)); ok {
			t.Errorf("%q is %s", name, code)
		}
	}
	for v, want := range map[ClientVersion]ProtoPackage{0: ProtoPackageNone, MakeClientVersion(1, 4, 2): ProtoPackageIO,
		MakeClientVersion(2, 0, 0): ProtoPackageIO, MakeClientVersion(2, 1, 0): ProtoPackageApache} {
		if got := packageFor(v); got != want {
			t.Errorf("%s: %s", v, got)
		}
	}
	_, err := AppendFrame(nil, Envelope{Codec: CodecProtobuf}, &GlobalBeginRequest{})
	if !errors.Is(err, ErrProtoPackage) {
		t.Errorf("unknown package: %v", err)
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	const signature = "c2k3Yal+UMcKYaRhPDV2bSyqT+nGeRi9/pk2NB6YxzM=" // section 5.2 of the protocol notes
	if got := Sign("default_tx_group,10.0.0.5,1700000000000", "my-secret", 1700000000000); got != signature {
		t.Errorf("signature %s", got)
	}
	e := ExtraData{AccessKey: "a", Digest: signature, Timestamp: "1700000000000", AuthVersion: "V4",
		VGroup: "default_tx_group", IP: "10.0.0.5"}
	if got := ParseExtraData(e.String()); got != e {
		t.Errorf("parsed %+v", got)
	}
	at, err := e.VerifySignature("my-secret")
	if err != nil || at.UnixMilli() != 1700000000000 {
		t.Errorf("verify: %v, %v", at, err)
	}
	for name, bad := range map[string]func(*ExtraData){
		"other group":  func(e *ExtraData) { e.VGroup = "g" },
		"other ip":     func(e *ExtraData) { e.IP = "" },
		"other time":   func(e *ExtraData) { e.Timestamp = "1700000000001" },
		"no time":      func(e *ExtraData) { e.Timestamp = "" },
		"no digest":    func(e *ExtraData) { e.Digest = "" },
		"unsigned 1.4": func(e *ExtraData) { e.Digest = e.SignedText() },
	} {
		changed := e
		bad(&changed)
		if _, err := changed.VerifySignature("my-secret"); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, secret := range []string{"", "other"} {
		if _, err := e.VerifySignature(secret); !errors.Is(err, ErrSignature) {
			t.Errorf("secret %q: %v", secret, err)
		}
	}
}

func TestExtraDataOfRealClient(t *testing.T) {
	t.Parallel()
	text := "ak=null\ndigest=default_tx_group,192.0.2.2,1795226981732\ntimestamp=1795226981732\nauthVersion=V4\n" +
		"vgroup=default_tx_group\nip=192.0.2.2\n"
	want := ExtraData{Digest: "default_tx_group,192.0.2.2,1795226981732", Timestamp: "1795226981732",
		AuthVersion: "V4", VGroup: "default_tx_group", IP: "192.0.2.2"}
	if got := ParseExtraData(text); got != want || got.String() != text || got.SignedText() != got.Digest {
		t.Errorf("%+v", got)
	}
	for _, odd := range []string{"", "\n", "=", "ak", "\r\nvgroup=default_tx_group\r\n",
		"a=b=c\nvgroup=x\nvgroup=default_tx_group"} {
		got := ParseExtraData(odd)
		if strings.Contains(odd, "vgroup") != (got.VGroup == "default_tx_group") {
			t.Errorf("%q: %+v", odd, got)
		}
	}
}
