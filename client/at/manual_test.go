package at

import "testing"

func TestTextsThatChangeTheSessionAreNoticed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		several bool
		want    bool
	}{
		{"BEGIN", false, true},
		{" begin ", false, true},
		{"\n\tStart Transaction", false, true},
		{"START TRANSACTION READ ONLY", false, true},
		{"SET autocommit=0", false, true},
		{"set @@session.AutoCommit = 0", false, true},
		{"USE other", false, true},
		{"SET NAMES utf8mb4", false, true},
		{"SET time_zone = '+08:00'", false, true},
		{"/* hint */ BEGIN", false, true},
		{"-- note\nBEGIN", false, true},
		{"# note\nuse x", false, true},
		{"XA START 'x'", false, true},
		{"LOCK TABLES t WRITE", false, true},
		{"-- a\n /* b */ (\n#c\nUSE d", false, true},
		{"/*! BEGIN */", false, true},
		{"SET SESSION collation_connection = 'latin1_bin'", false, true},
		{"SELECT 1; BEGIN", true, true},
		{"UPDATE t SET a = 1; BEGIN", true, true},
		{"INSERT INTO t VALUES (1); set autocommit = 0", true, true},

		{"", false, false},
		{"SELECT 1", false, false},
		{"SELECT * FROM begin_log", false, false},
		{"beginning", false, false},
		{"UPDATE t SET a = 1", false, false},
		{"SET @x = 1", false, false},
		{"SET SESSION innodb_lock_wait_timeout = 1", false, false},
		{"SHOW TABLES", false, false},
		{"INSERT INTO t VALUES ('BEGIN')", false, false},
		{"SELECT 1; SELECT 2", true, false},
		{"(SELECT 1)", false, false},
		{"/* begin */ SELECT user FROM t", false, false},
		{"-- no end", false, false},
		{"SELECT 1; SELECT user, block FROM starters", true, false},
	} {
		if got := changesSession(c.text, c.several); got != c.want {
			t.Errorf("%q: noticed %t, want %t", c.text, got, c.want)
		}
	}
}

func BenchmarkChangesSession(b *testing.B) {
	for b.Loop() {
		if changesSession("UPDATE account SET balance = balance - ? WHERE id = ?", false) {
			b.Fatal("it does not")
		}
	}
}
