package undo

// The values of fields, and the classes of Java that they are written as:
//
//	nil                     null
//	bool                    Boolean        tinyint(1) and bit(1) that hold 0 or 1
//	int8, int16, int32      Byte, Short, Integer
//	int64                   Long           bigint, int unsigned
//	uint64                  BigInteger     bigint unsigned
//	float32, float64        Float, Double
//	string                  String         char, varchar, text, json, enum, set
//	[]byte                  byte[]         binary, varbinary, blob, bit(n), geometry
//	Decimal                 BigDecimal
//	Date, Time              java.sql.Date, java.sql.Time
//	DateTime                java.time.LocalDateTime    datetime
//	Timestamp               java.sql.Timestamp         timestamp
//	Year                    java.sql.Date              year
//	Blob, Clob              SerialBlob, SerialClob     only read: older drivers of Java had them
type (
	// Decimal is a number in decimal digits with its scale, without exponent: "-12.50".
	Decimal string
	// Date is "2006-01-02", or what MySQL allows beside real dates: "0000-00-00".
	Date string
	// Time is a span from -838:59:59 to 838:59:59 with up to six digits of a second: "-10:11:12.5".
	Time string
	// DateTime is the wall clock without a zone: "2006-01-02 15:04:05.999999", without trailing zeros of the fraction.
	DateTime string
	// Timestamp is a moment, as the wall clock of the database session's time zone shows it; form as DateTime.
	Timestamp string
	// Year is 0 or 1901 to 2155.
	Year int16
	// Blob is the content of a SerialBlob.
	Blob []byte
	// Clob is the text of a SerialClob.
	Clob string
)
