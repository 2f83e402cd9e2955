package schema

import (
	"strconv"
	"strings"
)

// columnOf makes a column of what the information schema says. Whether it may be
// NULL, whether that is its default, and the collation come as "YES 1 utf8mb4_bin".
func columnOf(name, columnType, extra, rest string) Column {
	nullable, rest, _ := strings.Cut(rest, " ")
	null, collation, _ := strings.Cut(rest, " ")
	extra = strings.ToLower(extra)
	c := Column{
		Name: name, MySQLType: lowerType(columnType), Nullable: nullable == "YES", Collation: collation,
		DefaultNull:   nullable == "YES" && null == "1",
		AutoIncrement: strings.Contains(extra, "auto_increment"),
		// MySQL 8 says DEFAULT_GENERATED for an expression as default, which is no generated column.
		Generated: strings.Contains(extra, "virtual generated") || strings.Contains(extra, "stored generated") ||
			strings.Contains(extra, "persistent"),
		OnUpdateNow: strings.Contains(extra, "on update"),
	}
	c.Type = javaType(c)
	return c
}

// lowerType folds the case of a type, but not that of the members of enum and set.
func lowerType(columnType string) string {
	if at := strings.IndexByte(columnType, '('); at >= 0 {
		if kind := strings.ToLower(columnType[:at]); kind == "enum" || kind == "set" {
			return kind + columnType[at:]
		}
	}
	return strings.ToLower(columnType)
}

// Width returns the number in the type's parentheses, of two the first, or 0: 8 for "bit(8)".
func (c Column) Width() int {
	_, rest, ok := strings.Cut(c.MySQLType, "(")
	if !ok {
		return 0
	}
	end := strings.IndexAny(rest, ",)")
	if end < 0 {
		return 0
	}
	width, err := strconv.Atoi(rest[:end])
	if err != nil {
		return 0
	}
	return width
}

// Flag tells whether Java reads the column as a Boolean: tinyint(1) with a sign, and bit(1).
func (c Column) Flag() bool {
	switch c.Kind() {
	case "tinyint":
		return c.Width() == 1 && !c.Unsigned()
	case "bit", "bool", "boolean":
		return c.Width() <= 1
	}
	return false
}

// javaType returns the code of java.sql.Types.
//
// Connector/J 8.0.33 com/mysql/cj/MysqlType.java, and TypeDescriptor of jdbc/DatabaseMetaData.java for tinyint(1) and
// year; tinyInt1isBit and yearIsDateType are on by default.
func javaType(c Column) int {
	switch c.Kind() {
	case "bit", "bool", "boolean":
		return Bit
	case "tinyint":
		if c.Flag() {
			return Bit
		}
		return TinyInt
	case "smallint":
		return SmallInt
	case "mediumint", "int", "integer":
		return Integer
	case "bigint":
		return BigInt
	case "float":
		return Real
	case "double", "real":
		return Double
	case "decimal", "numeric", "dec", "fixed":
		return Decimal
	case "date", "year":
		return Date
	case "time":
		return Time
	case "datetime", "timestamp":
		return Timestamp
	case "char", "enum", "set", "uuid", "inet6", "inet4":
		return Char
	case "varchar", "tinytext":
		return VarChar
	case "text", "mediumtext", "longtext", "json":
		return LongVarChar
	case "varbinary", "tinyblob":
		return VarBinary
	case "blob", "mediumblob", "longblob":
		return LongVarBinary
	}
	return Binary // binary, and geometry in all its shapes
}
