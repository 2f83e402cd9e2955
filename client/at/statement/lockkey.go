package statement

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/undo"
)

// LockKey returns the rows of an image as the coordinator locks them, in Seata's form: "table:key,key", the columns of
// a key joined by "_" in the order in which Java has them (see javaOrder), values as Java's toString spells them, and
// the table as the metadata spells it. An image without rows has none: "". Several keys are joined by ";".
//
// Nothing can be escaped in this form. What is ambiguous locks more than the row, never less:
//
//   - The columns a_b and c have the same key as a and b_c. Commas cut a value into several rows; Java refuses such
//     keys, here all pieces are locked. Semicolons are taken for commas, since Java's server stops reading at one.
//   - A value of which nothing is left is spelled ”, since an empty one is not locked.
//   - A key in text that its collation compares without regard to case, accents or spaces at the end is locked as it is
//     stored, as Java does, and once more as folded text, so that the deletion of "ABC" keeps others from inserting
//     "abc" until its transaction ends. See fold for what that covers.
//   - A datetime is locked in both spellings that versions of MySQL's Java driver have.
func LockKey(t *schema.Table, image undo.Records) string {
	var keys []string
	known := make(map[string]bool)
	for _, row := range image.Rows {
		fields, err := keyOf(t, row)
		if err != nil {
			continue // an image without keys is none of this package's queries
		}
		fields = javaOrder(fields)
		for _, spell := range []func(schema.Column, any) string{asJava, asNewJava, asFolded} {
			parts := make([]string, len(fields))
			for i, f := range fields {
				column, _ := t.Column(f.Name)
				parts[i] = spell(column, f.Value)
			}
			key := strings.ReplaceAll(strings.Join(parts, "_"), ";", ",")
			if strings.Trim(key, ",") == "" {
				key = "''"
			}
			if !known[key] {
				known[key] = true
				keys = append(keys, key)
			}
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return t.Name + ":" + strings.Join(keys, ",")
}

// LockKeys joins the lock keys of a statement's images: of those after it, or for a DELETE of those before it. Both are
// taken, since that is the same for all that does not change keys.
func (s *Statement) LockKeys(t Tables, before, after []undo.Records) string {
	var keys []string
	tables := s.changedTables(t)
	if s.kind == SelectForUpdate {
		targets, err := s.lockTargets(t)
		if err != nil {
			return ""
		}
		for _, target := range targets {
			if !slices.Contains(tables, target.table) {
				tables = append(tables, target.table)
			}
		}
	}
	for _, table := range tables {
		rows := append(slices.Clone(pick(table, after)), pick(table, before)...)
		if key := LockKey(table, undo.Records{Table: table.Name, Rows: rows}); key != "" {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, ";")
}

// javaOrder puts the columns of a key into the order in which Java joins them: not that of the key, but that of a
// java.util.HashMap with their names. Measured with 1.5.2, 1.8.0 and 2.2.0; Seata 2.x TableMeta.getPrimaryKeyOnlyName.
func javaOrder(key []undo.Field) []undo.Field {
	if len(key) < 2 {
		return key
	}
	buckets := uint32(16)
	if len(key) > 12 { // a map doubles when it is filled by three quarters
		buckets = 32
	}
	bucket := func(f undo.Field) uint32 {
		var h uint32
		for _, unit := range utf16.Encode([]rune(f.Name)) {
			h = 31*h + uint32(unit)
		}
		return (h ^ h>>16) % buckets
	}
	ordered := slices.Clone(key)
	slices.SortStableFunc(ordered, func(a, b undo.Field) int { return cmp.Compare(bucket(a), bucket(b)) })
	return ordered
}

func asJava(_ schema.Column, v any) string {
	return undo.Text(v, undo.Options{DateTimeAsTimestamp: true})
}

func asNewJava(_ schema.Column, v any) string { return undo.Text(v, undo.Options{}) }

// asFolded spells text such that values that are equal to the database are equal.
func asFolded(c schema.Column, v any) string {
	text, ok := v.(string)
	if !ok || c.Collation == "" || c.Collation == "binary" {
		return asJava(c, v)
	}
	text = strings.TrimRight(text, " ")
	if !c.FoldsCase() {
		return text
	}
	return fold(text)
}

// fold takes case and the accents of Latin letters off. Collations that take more for equal, such as the kinds of kana,
// wide and narrow letters, letters that they ignore, or ß and s (in utf8mb4_general_ci alone), are not covered: keys of
// such text should have a binary one.
func fold(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		r = unicode.ToLower(r)
		if plain := withoutAccent(r); plain != "" {
			b.WriteString(plain)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// withoutAccent is a Latin letter in lower case without its accents, and "" for what has none or is none.
func withoutAccent(r rune) string {
	for _, part := range [...]struct {
		first rune
		plain string
	}{{0xC0, latin}, {0x1A0, latinB}, {0x1E00, latinMore}} {
		if at := 2 * int(r-part.first); at >= 0 && at < len(part.plain) {
			return strings.TrimRight(part.plain[at:at+2], ".")
		}
	}
	return ""
}

// latin has for each letter from U+00C0 to U+017F the one or two letters without accent; a dot is nothing.
const latin = "a.a.a.a.a.a.aec.e.e.e.e.i.i.i.i.d.n.o.o.o.o.o.x.o.u.u.u.u.y.thss" + // À to ß
	"a.a.a.a.a.a.aec.e.e.e.e.i.i.i.i.d.n.o.o.o.o.o./.o.u.u.u.u.y.thy." + // à to ÿ
	"a.a.a.a.a.a.c.c.c.c.c.c.c.c.d.d.d.d.e.e.e.e.e.e.e.e.e.e.g.g.g.g." + // Ā to ğ
	"g.g.g.g.h.h.h.h.i.i.i.i.i.i.i.i.i.i.ijijj.j.k.k.k.l.l.l.l.l.l.l." + // Ġ to Ŀ
	"l.l.l.n.n.n.n.n.n.n.n.n.o.o.o.o.o.o.oeoer.r.r.r.r.r.s.s.s.s.s.s." + // ŀ to ş
	"s.s.t.t.t.t.t.t.u.u.u.u.u.u.u.u.u.u.u.u.w.w.y.y.y.z.z.z.z.z.z.s." // Š to ſ

// latinB is the same for the letters from U+01A0 to U+0233, of Romanian and Vietnamese among others.
const latinB = "" +
	"o.o...........................u.u..............................." + // Ơ to ƿ
	"..........................a.a.i.i.o.o.u.u.u.u.u.u.u.u.u.u...a.a." + // ǀ to ǟ
	"a.a.aeae....g.g.k.k.o.o.o.o.....j.......g.g.....n.n.a.a.aeaeo.o." + // Ǡ to ǿ
	"a.a.a.a.e.e.e.e.i.i.i.i.o.o.o.o.r.r.r.r.u.u.u.u.s.s.t.t.....h.h." + // Ȁ to ȟ
	"............a.a.e.e.o.o.o.o.o.o.o.o.y.y." // Ƞ to ȳ

// latinMore is the same for the letters from U+1E00 to U+1EFF, of Vietnamese above all.
const latinMore = "" +
	"a.a.b.b.b.b.b.b.c.c.d.d.d.d.d.d.d.d.d.d.e.e.e.e.e.e.e.e.e.e.f.f." + // Ḁ to ḟ
	"g.g.h.h.h.h.h.h.h.h.h.h.i.i.i.i.k.k.k.k.k.k.l.l.l.l.l.l.l.l.m.m." + // Ḡ to ḿ
	"m.m.m.m.n.n.n.n.n.n.n.n.o.o.o.o.o.o.o.o.p.p.p.p.r.r.r.r.r.r.r.r." + // Ṁ to ṟ
	"s.s.s.s.s.s.s.s.s.s.t.t.t.t.t.t.t.t.u.u.u.u.u.u.u.u.u.u.v.v.v.v." + // Ṡ to ṿ
	"w.w.w.w.w.w.w.w.w.w.x.x.x.x.y.y.z.z.z.z.z.z.h.t.w.y...s.....ss.." + // Ẁ to ẟ
	"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.e.e.e.e.e.e.e.e." + // Ạ to ế
	"e.e.e.e.e.e.e.e.i.i.i.i.o.o.o.o.o.o.o.o.o.o.o.o.o.o.o.o.o.o.o.o." + // Ề to ở
	"o.o.o.o.u.u.u.u.u.u.u.u.u.u.u.u.u.u.y.y.y.y.y.y.y.y............." // Ỡ to ỿ
