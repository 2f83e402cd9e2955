package xa

import (
	"strings"
	"testing"
	"time"
)

func TestABranchHasTheIdentityThatJavaGivesIt(t *testing.T) {
	t.Parallel()
	k := key{xid: "10.0.0.5:8091:42", branch: 77}
	// The bytes of "10.0.0.5:8091:42" and of "-77".
	want := "X'31302e302e302e353a383039313a3432',X'2d3737',9752"
	if got := k.literal(); got != want {
		t.Errorf("the literal is %s, want %s", got, want)
	}
}

func TestOnlyBranchesOfSeataAreRecognised(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                         string
		formatID, global, branchPart int64
		data                         string
		want                         key
	}{
		{"ours", 9752, 16, 3, "10.0.0.5:8091:42-77", key{"10.0.0.5:8091:42", 77}},
		{"a host with dashes", 9752, 16, 2, "tc-1.local:80:42-7", key{"tc-1.local:80:42", 7}},
		{"another format", 1, 16, 3, "10.0.0.5:8091:42-77", key{}},
		{"lengths that do not fit", 9752, 16, 4, "10.0.0.5:8091:42-77", key{}},
		{"no branch", 9752, 16, 0, "10.0.0.5:8091:42", key{}},
		{"a branch without dash", 9752, 16, 2, "10.0.0.5:8091:4277", key{}},
		{"a branch with sign", 9752, 16, 3, "10.0.0.5:8091:42--7", key{}},
		{"no xid", 9752, 3, 2, "abc-7", key{}},
		{"no number in the xid", 9752, 10, 2, "host:8091:-7", key{}},
		{"negative length", 9752, -1, 20, "10.0.0.5:8091:42-77", key{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := parseKey(c.formatID, c.global, c.branchPart, c.data)
			if got != c.want || ok != (c.want != key{}) {
				t.Errorf("it is %+v (%v), want %+v", got, ok, c.want)
			}
		})
	}
}

func TestAnXIDThatMySQLCannotHoldIsRefused(t *testing.T) {
	t.Parallel()
	if err := (key{xid: strings.Repeat("h", 57) + ":80:123"}).check(); err != nil {
		t.Errorf("64 bytes are refused: %v", err)
	}
	if err := (key{xid: strings.Repeat("h", 58) + ":80:123"}).check(); err == nil {
		t.Error("65 bytes are not refused")
	}
}

func TestServersThatForgetPreparedBranchesAreRefused(t *testing.T) {
	t.Parallel()
	for version, good := range map[string]bool{
		"10.11.19-MariaDB-0+deb12u1": true,
		"5.5.5-10.5.2-MariaDB":       true,
		"10.5.1-MariaDB":             false,
		"5.5.5-10.4.30-MariaDB-log":  false,
		"11.4.2-MariaDB-ubu2404":     true,
		"8.0.29":                     true,
		"8.4.0-1.el9":                true,
		"5.7.7-rc":                   true,
		"5.7.6-m16":                  false,
		"5.6.51":                     false,
		"nonsense":                   false,
	} {
		if err := checkVersion(version); (err == nil) != good {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestWhatMayWriteOrLockIsNotTakenForPlainReading(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"SELECT balance FROM account WHERE id = ?":              true,
		"  select count(*), max(`a b`) from t where n in (1,2)": true,
		"SELECT 'it''s; FOR UPDATE' FROM t;":                    true,
		"SELECT a FROM t WHERE b = \"x\" ORDER BY (a)":          true,
		"SELECT a FROM t FOR UPDATE":                            false,
		"SELECT a FROM t for\tshare":                            false,
		"SELECT a FROM t LOCK IN SHARE MODE":                    false,
		"SELECT a INTO OUTFILE '/x' FROM t":                     false,
		"SELECT pay(1)":                                         false,
		"SELECT shop.pay (1)":                                   false,
		"SELECT `pay` (1)":                                      false,
		"SELECT @a := 1":                                        false,
		"SELECT 1; DELETE FROM t":                               false,
		"SELECT 1 /*! FOR UPDATE */":                            false,
		"SELECT 1 -- x":                                         false,
		"SELECT '\\' FOR UPDATE -- '":                           false,
		"(SELECT 1)":                                            false,
		"INSERT INTO t VALUES (1) RETURNING id":                 false,
		"WITH x AS (SELECT 1) DELETE FROM t":                    false,
		"CALL pay()":                                            false,
		"":                                                      false,
		"SELECT 'open":                                          false,
		"SELECT NEXTVAL(s)":                                     false,
		"SELECT GET_LOCK('a', 1)":                               false,
	} {
		if got := plain(sql); got != want {
			t.Errorf("%q: %v, want %v", sql, got, want)
		}
	}
}

func TestEndedBranchesAreRememberedUpToABound(t *testing.T) {
	t.Parallel()
	s := newBranches(1)
	for i := range endedMax + 5 {
		s.note(key{"h:1:1", int64(i + 1)}, endRolledBack)
		s.note(key{"h:1:1", int64(i + 1)}, endCommitted) // again: no second place
	}
	if n := len(s.ended); n != endedMax {
		t.Errorf("%d are remembered, the bound is %d", n, endedMax)
	}
	if s.how(key{"h:1:1", 5}) != endUnknown || s.how(key{"h:1:1", 6}) != endCommitted {
		t.Error("not the oldest were forgotten")
	}
}

func TestADoomedBranchIsNotPreparedAndAPreparingOneNotDoomed(t *testing.T) {
	t.Parallel()
	s := newBranches(1)
	doomed := s.start(key{"h:1:1", 1}, time.Now())
	if s.doom(doomed.key) != doomed || s.prepare(doomed) {
		t.Error("a doomed branch may be prepared")
	}
	preparing := s.start(key{"h:1:1", 2}, time.Now())
	if !s.prepare(preparing) || s.doom(preparing.key) != preparing || preparing.doomed {
		t.Error("a branch that is being prepared was doomed")
	}
	if s.finish(preparing, endUnknown, nil, time.Now()); s.doom(preparing.key) != nil {
		t.Error("an ended branch is still open")
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"SELECT 1", "SELECT 'a''b' FROM t", "SELECT `x`(1)", "select a -- b", "SELECT \"a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if plain(s) && (!strings.Contains(strings.ToLower(s), "select") || plain(s+" FOR UPDATE")) {
			t.Errorf("%q is not plain", s)
		}
	})
}

// TestABranchThatWasRolledBackBeforeItBeganIsNotPrepared: the rollback may overtake the answer to the registration.
func TestABranchThatWasRolledBackBeforeItBeganIsNotPrepared(t *testing.T) {
	t.Parallel()
	s := newBranches(1)
	k := key{"h:1:1", 1}
	if s.doom(k) != nil {
		t.Fatal("it is open")
	}
	if b := s.start(k, time.Now()); s.prepare(b) {
		t.Error("it may be prepared")
	}
	if b := s.start(key{"h:1:1", 2}, time.Now()); !s.prepare(b) {
		t.Error("another may not")
	}
	s.note(k, endPrepared)
	if s.doom(k); s.how(k) != endPrepared {
		t.Error("what was known of its end is forgotten")
	}
}
