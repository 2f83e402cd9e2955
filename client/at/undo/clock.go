package undo

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Layouts of the wall clock as MySQL writes it.
const (
	layoutDate = "2006-01-02"
	layoutTime = "2006-01-02 15:04:05"
	layoutFine = "2006-01-02 15:04:05.999999999"
)

// Bounds of what can be written or read as a moment, in milliseconds since 1970.
const (
	// sqlOldest is 2 January 1900, the first day for which java.sql.Date and Timestamp count like everybody else in
	// every zone: before it java.util does not have the local mean times that zones had.
	sqlOldest = -2_208_902_400_000
	// gregorian is 15 October 1582, from which on java.util counts by our calendar.
	gregorian = -12_219_292_800_000
	// firstMilli is 1 January of the year 1.
	firstMilli = -62_135_596_800_000
	// lastMilli is 2 January 10000, a day behind the last date of MySQL.
	lastMilli = 253_402_387_200_000
)

// wall reads what the wall clock shows in a zone as a moment. It is false for what is no moment, or not one that
// leads back to the same text: the zero dates of MySQL, and the hour that is left out in spring.
func wall(text string, zone *time.Location) (time.Time, bool) {
	t, err := time.ParseInLocation(layoutFine, text, zone)
	if err != nil || t.Year() < 1 || t.Format(layoutFine) != text {
		return time.Time{}, false
	}
	return t, true
}

// midnight returns the moment at which a day begins in a zone. Where the first hour is left out it begins at one.
func midnight(day string, zone *time.Location) (time.Time, bool) {
	d, err := time.Parse(layoutDate, day)
	if err != nil || d.Year() < 1 {
		return time.Time{}, false
	}
	t := time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, zone)
	for range 8 {
		if t.Format(layoutDate) == day {
			return t, true
		}
		t = t.Add(30 * time.Minute)
	}
	return time.Time{}, false
}

// normalWall makes the one form of a date with time: six digits of a second at most, no zeros at their end.
func normalWall(text string) (string, error) {
	if text = strings.TrimSpace(text); len(text) == len(layoutDate) {
		text += " 00:00:00"
	}
	if len(text) < len(layoutTime) || !digits(text[:10], "0000-00-00") || text[10] != ' ' && text[10] != 'T' ||
		!digits(text[11:19], "00:00:00") {
		return "", fmt.Errorf("%.40q is no date and time", text)
	}
	fraction, err := normalFraction(text[19:])
	return text[:10] + " " + text[11:19] + fraction, err
}

// normalFraction takes the zeros off the end of a fraction that begins with its dot, and the dot if nothing is left.
func normalFraction(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if len(text) < 2 || len(text) > 10 || text[0] != '.' || !digits(text[1:], "000000000"[:len(text)-1]) {
		return "", fmt.Errorf("%.40q is no fraction of a second", text)
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), "."), nil
}

// normalDate makes the one form of a date. A time of the day other than midnight is kept for the caller to refuse.
func normalDate(text string) (Date, error) {
	if len(text) == len(layoutDate) && digits(text, "0000-00-00") {
		return Date(text), nil
	}
	text, err := normalWall(text)
	if err != nil {
		return "", err
	}
	return Date(strings.TrimSuffix(text, " 00:00:00")), nil
}

// normalTime makes the one form of a time: a sign only for less than nothing, two or three digits of hours.
func normalTime(text string) (Time, error) {
	sign, rest := "", text
	if strings.HasPrefix(rest, "-") {
		sign, rest = "-", rest[1:]
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	if fraction != "" {
		fraction = "." + fraction
	}
	hours, tail, ok := strings.Cut(whole, ":")
	n, err := strconv.ParseUint(hours, 10, 16)
	if !ok || err != nil || n > 838 || !digits(tail, "00:00") {
		return "", fmt.Errorf("%.40q is no time", text)
	}
	if fraction, err = normalFraction(fraction); err != nil {
		return "", err
	}
	out := fmt.Sprintf("%02d:%s%s", n, tail, fraction)
	if strings.Trim(out, "0:.") == "" {
		sign = ""
	}
	return Time(sign + out), nil
}

// digits tells whether text has a digit wherever form has one, and otherwise the same bytes.
func digits(text, form string) bool {
	if len(text) != len(form) {
		return false
	}
	for i := range len(form) {
		if form[i] == '0' {
			if text[i] < '0' || text[i] > '9' {
				return false
			}
		} else if text[i] != form[i] {
			return false
		}
	}
	return true
}
