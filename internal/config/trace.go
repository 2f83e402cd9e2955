package config

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// Ratio is a share of something, from 0 to 1. Its text is a number, or one with a percent sign.
type Ratio float64

// String returns the number.
func (r Ratio) String() string { return strconv.FormatFloat(float64(r), 'g', -1, 64) }

// UnmarshalText reads the text form.
func (r *Ratio) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		value /= 100
	}
	if err != nil || !(value >= 0 && value <= 1) {
		return errors.New("write a share from 0 to 1, as in 0.01 or 1%")
	}
	*r = Ratio(value)
	return nil
}

func (c *checker) trace(t *Trace) {
	if t.Endpoint != "" {
		u, err := url.Parse(t.Endpoint)
		c.failIf(err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https", "trace.endpoint",
			"%q is not the URL of a collector, such as http://127.0.0.1:4318", t.Endpoint)
	}
	for i, header := range t.Headers {
		name, value, found := strings.Cut(header, "=")
		c.failIf(!found || strings.TrimSpace(name) == "" || value == "", "trace.headers", "entry %d is not NAME=VALUE", i+1)
	}
}

// HeaderMap returns the headers by name.
func (t *Trace) HeaderMap() map[string]string {
	all := map[string]string{}
	for _, header := range t.Headers {
		name, value, _ := strings.Cut(header, "=")
		all[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return all
}
