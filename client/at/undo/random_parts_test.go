//go:build parts

package undo_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/concord-tx/concord/client/at/undo"
)

// every is a table with every type that has a value of its own; the key is composite and one part of it is text.
const every = `CREATE TABLE every_type (
	id BIGINT UNSIGNED AUTO_INCREMENT, k VARCHAR(30) COLLATE utf8mb4_general_ci,
	t1 TINYINT(1), t1u TINYINT(1) UNSIGNED, t TINYINT, tu TINYINT UNSIGNED, s SMALLINT, su SMALLINT UNSIGNED,
	m MEDIUMINT, mu MEDIUMINT UNSIGNED, i INT, iu INT UNSIGNED, b BIGINT, bu BIGINT UNSIGNED ZEROFILL,
	f FLOAT, fd FLOAT(9,3), d DOUBLE, de DECIMAL(20,5), du DECIMAL(65,30), dz DECIMAL(8,2) UNSIGNED ZEROFILL,
	day DATE, tm TIME, tm6 TIME(6), dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP NULL, y YEAR,
	tu6 TIMESTAMP(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6), du3 DATETIME(3) ON UPDATE NOW(3),
	b1 BIT(1), b9 BIT(9), b64 BIT(64), c CHAR(9), cb BINARY(4), vb VARBINARY(20),
	tt TINYTEXT, tx TEXT, lt LONGTEXT CHARACTER SET latin1, tb TINYBLOB, bl LONGBLOB,
	e ENUM('a','B c'), en ENUM('','z'), st SET('x','y','z'),
	j JSON, g POINT, twice INT AS (i MOD 1000) VIRTUAL, kept BIGINT AS (b) STORED, u INT UNIQUE,
	PRIMARY KEY (k, id), KEY (id)) CHARSET utf8mb4`

// anyValue draws an argument for a column, NULL among them.
func anyValue(t *rapid.T, column string) any {
	if rapid.IntRange(0, 9).Draw(t, "null") == 0 && column != "tu6" {
		return nil
	}
	number := func(low, high int64) any { return rapid.Int64Range(low, high).Draw(t, column) }
	text := func(high int) any {
		return rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ äß€語🍎 %_'\"\\`\n\x00,;:")), 0, high, -1).Draw(t, column)
	}
	raw := func(high int) any { return rapid.SliceOfN(rapid.Byte(), 0, high).Draw(t, column) }
	pick := func(of ...any) any { return rapid.SampledFrom(of).Draw(t, column) }
	switch column {
	case "t1", "t":
		return number(math.MinInt8, math.MaxInt8)
	case "t1u", "tu":
		return number(0, math.MaxUint8)
	case "s":
		return number(math.MinInt16, math.MaxInt16)
	case "su":
		return number(0, math.MaxUint16)
	case "m":
		return number(-1<<23, 1<<23-1)
	case "mu":
		return number(0, 1<<24-1)
	case "i":
		return number(math.MinInt32, math.MaxInt32)
	case "iu":
		return number(0, math.MaxUint32)
	case "b":
		return number(math.MinInt64/2, math.MaxInt64)
	case "bu", "b64":
		return rapid.Uint64().Draw(t, column)
	case "f":
		return float64(rapid.Float32Range(-1e30, 1e30).Draw(t, column))
	case "fd":
		return float64(rapid.Float32Range(-9999, 9999).Draw(t, column))
	case "d":
		return rapid.Float64().Draw(t, column)
	case "de":
		return pick("0", "-0.00001", "12.5", "999999999999999.99999", "-1", "100")
	case "du":
		return pick("0", "0.000000000000000000000000000001", "-12345678901234567890123456789012345.5", "1e-9")
	case "dz":
		return pick("0", "12.50", "999999.99")
	case "day":
		return pick("0000-00-00", "2024-02-29", "0001-01-01", "9999-12-31", "1500-01-01", "2024-02-31", "2024-00-00")
	case "tm":
		return pick("00:00:00", "23:59:59", "-838:59:59", "838:59:59", "24:00:00", "-00:00:01")
	case "tm6":
		return pick("10:11:12.123456", "-00:00:00.5", "100:00:00.000001", "00:00:00")
	case "dt", "dt6", "du3":
		return pick("0000-00-00 00:00:00", "2024-02-29 23:59:59.123456", "1000-01-01", "9999-12-31 23:59:59",
			"2024-03-31 02:30:00")
	case "ts", "tu6":
		return pick("1970-01-02 00:00:01", "2038-01-18 03:14:07", "2024-02-29 12:00:00.654321", "2024-10-27 02:30:00")
	case "y":
		return pick(0, 1901, 2024, 2155)
	case "b1":
		return number(0, 1)
	case "b9":
		return number(0, 511)
	case "c":
		return text(9)
	case "cb":
		return raw(4)
	case "vb", "tb", "bl":
		return raw(20)
	case "tt", "tx":
		return text(40)
	case "lt":
		return pick("", "plain", "schön")
	case "e", "en":
		return pick("a", "B c", "")
	case "st":
		return pick("", "x", "x,z")
	case "j":
		return pick(`{"b":1.0,"a":[true,null]}`, `[]`, `"text"`, `1`, ` {"a" : "ü"} `)
	case "u":
		return rapid.Int64().Draw(t, column) & math.MaxInt32
	}
	return nil
}

// everyColumns are the columns of which rows are made.
func everyColumns() []string {
	return strings.Fields(`t1 t1u t tu s su m mu i iu b bu f fd d de du dz day tm tm6 dt dt6 ts y tu6 du3 b1 b9 b64
		c cb vb tt tx lt tb bl e en st j u`)
}

func insertEvery(t *rapid.T, id int, key string) step {
	names, args := []string{"id", "k", "g"}, []any{id, key}
	marks := []string{"?", "?", "POINT(1.5,-2)"}
	for _, c := range everyColumns() {
		names, marks, args = append(names, c), append(marks, "?"), append(args, anyValue(t, c))
	}
	return step{
		kind: undo.SQLInsert, table: "every_type", where: "id = ?", keys: []any{id}, args: args,
		query: "INSERT IGNORE INTO every_type (" + strings.Join(names, ", ") + ") VALUES (" +
			strings.Join(marks, ", ") + ")",
	}
}

func updateEvery(t *rapid.T, low, high int) step {
	var sets []string
	var args []any
	columns := rapid.SliceOfNDistinct(rapid.SampledFrom(everyColumns()), 1, 8, rapid.ID[string])
	for _, c := range columns.Draw(t, "columns") {
		if c != "u" {
			sets, args = append(sets, c+" = ?"), append(args, anyValue(t, c))
		}
	}
	sets = append(sets, "u = u + 1")
	return step{
		kind: undo.SQLUpdate, table: "every_type", where: "id BETWEEN ? AND ?", keys: []any{low, high},
		query: "UPDATE IGNORE every_type SET " + strings.Join(sets, ", ") + " WHERE id BETWEEN ? AND ? ORDER BY u DESC",
		args:  append(args, low, high),
	}
}

func TestRandomBranchesLeaveTheRowsByteForByteAsTheyWere(t *testing.T) {
	t.Parallel()
	p := setupMode(t, "'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'", every)
	id := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		p.exec("DELETE FROM every_type")
		rows := rapid.IntRange(0, 4).Draw(rt, "rows")
		for i := range rows {
			s := insertEvery(rt, i, rapid.SampledFrom([]string{"", "a", "Ä_b:c"}).Draw(rt, "k"))
			p.exec(s.query, s.args...)
		}
		want := p.rows("every_type")
		id++
		xid := fmt.Sprintf("127.0.0.1:8091:%d", id)
		var steps []step
		for range rapid.IntRange(1, 5).Draw(rt, "steps") {
			low := rapid.IntRange(0, 5).Draw(rt, "low")
			high := rapid.IntRange(low, 5).Draw(rt, "high")
			switch rapid.IntRange(0, 2).Draw(rt, "kind") {
			case 0:
				rows++
				steps = append(steps, insertEvery(rt, 100+rows, "new"))
			case 1:
				steps = append(steps, updateEvery(rt, low, high))
			case 2:
				steps = append(steps, step{
					kind: undo.SQLDelete, table: "every_type", where: "id BETWEEN ? AND ?", keys: []any{low, high},
					query: "DELETE FROM every_type WHERE id BETWEEN ? AND ?", args: []any{low, high},
				})
			}
		}
		p.branch(xid, id, steps...)
		if err := p.rollback(xid, id); err != nil {
			rt.Fatal(err)
		}
		if got := p.rows("every_type"); got != want {
			rt.Fatalf("before:\n%s\nnow:\n%s", want, got)
		}
		if n := p.count("SELECT COUNT(*) FROM undo_log"); n != 0 {
			rt.Fatalf("%d undo logs are left", n)
		}
	})
}
