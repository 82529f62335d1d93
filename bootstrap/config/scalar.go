package config

import (
	"cmp"
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flaw is why a text is no value of a field: it is of another type (want), or it is not allowed (says).
// It never quotes the text. What is wanted may itself be written as text (worded), as a size is.
type flaw struct {
	want, says string
	worded     bool
}

// wants names the type of a scalar as messages do.
func wants(t reflect.Type, r rule) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		if r.unit == "seconds" {
			return "a number of seconds or a duration such as 30s"
		}
		return "a duration such as 30s or 24h"
	case reflect.TypeFor[time.Time]():
		return "a time such as 2030-12-31T23:59:59Z"
	case reflect.TypeFor[netip.Prefix]():
		return "an address range such as 10.0.0.0/8"
	case reflect.TypeFor[slog.Level]():
		return "debug, info, warn or error"
	}
	switch t.Kind() { //nolint:exhaustive // the kinds of isScalar
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		if r.unit == "bytes" {
			return "a size such as 32MiB"
		}
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "text"
}

// parse stores what a text says into a scalar, or tells why it can't.
func parse(text string, v reflect.Value, r rule) *flaw {
	wrong := &flaw{want: wants(v.Type(), r), worded: true}
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		t, ok := parseTime(text)
		if !ok {
			return wrong
		}
		v.Set(reflect.ValueOf(t))
		return nil
	case reflect.TypeFor[netip.Prefix]():
		p, ok := parsePrefix(text)
		if !ok {
			return wrong
		}
		v.Set(reflect.ValueOf(p))
		return nil
	case reflect.TypeFor[slog.Level]():
		level, ok := levels[strings.ToLower(text)]
		if !ok {
			return wrong
		}
		v.Set(reflect.ValueOf(level))
		return nil
	}
	switch v.Kind() { //nolint:exhaustive // the kinds of isScalar
	case reflect.Bool:
		return parseBool(text, v)
	case reflect.Float64:
		return parseFloat(text, v, r)
	case reflect.Int, reflect.Int64:
		return parseWhole(text, v, r)
	default:
		return parseText(text, v, r)
	}
}

func parseText(text string, v reflect.Value, r rule) *flaw {
	if len(r.enum) > 0 && !slices.Contains(r.enum, text) {
		return &flaw{says: "must be one of " + strings.Join(r.enum, ", ") + hint(text, r.enum)}
	}
	v.SetString(text)
	return nil
}

func parseBool(text string, v reflect.Value) *flaw {
	switch text {
	case "true", "True", "TRUE":
		v.SetBool(true)
		return nil
	case "false", "False", "FALSE":
		v.SetBool(false)
		return nil
	}
	switch strings.ToLower(text) {
	case "yes", "on", "y", "1":
		return &flaw{says: `want true or false; did you mean "true"?`}
	case "no", "off", "n", "0":
		return &flaw{says: `want true or false; did you mean "false"?`}
	}
	return &flaw{want: "true or false"}
}

var (
	decimal  = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)
	infinite = regexp.MustCompile(`^[+-]?\.?(inf|Inf|INF|nan|NaN|NAN)$`)
	sized    = regexp.MustCompile(`^([+-]?\d+) ?([a-zA-Z]*)$`)
)

func parseFloat(text string, v reflect.Value, r rule) *flaw {
	if infinite.MatchString(text) {
		return &flaw{says: "must be a finite number"}
	}
	if !decimal.MatchString(text) {
		return &flaw{want: "a number"}
	}
	n, err := strconv.ParseFloat(text, 64)
	low, _ := strconv.ParseFloat(r.min, 64)
	high := math.MaxFloat64
	if r.max != "" {
		high, _ = strconv.ParseFloat(r.max, 64)
	}
	if err != nil || n < low || n > high {
		return &flaw{says: r.bounds(n < low)}
	}
	v.SetFloat(n + 0) // a negative zero becomes a plain one
	return nil
}

// parseWhole reads what is kept in an integer: counts, sizes and durations.
func parseWhole(text string, v reflect.Value, r rule) *flaw {
	read := wholeReader(v.Type(), r)
	n, ok := read(text)
	if !ok {
		return &flaw{want: wants(v.Type(), r), worded: r.unit == "bytes" || v.Type() == reflect.TypeFor[time.Duration]()}
	}
	low, _ := read(cmp.Or(r.min, "0"))
	high, bounded := read(r.max)
	if !bounded {
		high = math.MaxInt64 - 1 // the readers answer MaxInt64 to what is too large for them
	}
	if n < low || n > high {
		return &flaw{says: r.bounds(n < low)}
	}
	v.SetInt(n)
	return nil
}

// wholeReader returns the reader for a type. What does not fit is the largest or smallest int64.
func wholeReader(t reflect.Type, r rule) func(string) (int64, bool) {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return func(text string) (int64, bool) { return readDuration(text, r.unit == "seconds") }
	case r.unit == "bytes":
		return readSize
	default:
		return readInt
	}
}

func readInt(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

var units = map[string]int64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

func readSize(text string) (int64, bool) {
	m := sized.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	unit, known := units[strings.ToLower(m[2])]
	n, ok := readInt(m[1])
	if !known || !ok {
		return 0, false
	}
	if n > math.MaxInt64/unit {
		return math.MaxInt64, true
	}
	if n < 0 {
		return -1, true
	}
	return n * unit, true
}

func readDuration(text string, seconds bool) (int64, bool) {
	if seconds && decimal.MatchString(text) {
		n, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil || n >= math.MaxInt64/float64(time.Second):
			return math.MaxInt64, true
		case n < 0:
			return -1, true
		}
		return int64(n * float64(time.Second)), true
	}
	d, err := time.ParseDuration(text)
	return int64(d), err == nil
}

// bounds tells what a number may be.
func (r rule) bounds(low bool) string {
	switch {
	case r.says != "":
		return r.says
	case r.max != "":
		return "must be between " + cmp.Or(r.min, "0") + " and " + r.max
	case r.min != "":
		return "must be at least " + r.min
	case low:
		return "must not be negative"
	default:
		return "is too large"
	}
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo,
	"warn": slog.LevelWarn, "warning": slog.LevelWarn, "error": slog.LevelError,
}

// parseTime reads the forms of ISO 8601 that people write; without a zone it is UTC, without a time
// the day's beginning. Empty is no time at all.
func parseTime(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	for _, layout := range []string{
		time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", time.DateTime, time.DateOnly,
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func parsePrefix(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// kindOf names what a text looks like, for "got …".
func kindOf(text string) string {
	switch {
	case text == "":
		return "nothing"
	case text == "true" || text == "false":
		return "true or false"
	case decimal.MatchString(text) && !strings.ContainsAny(text, ".eE"):
		return "a whole number"
	case decimal.MatchString(text):
		return "a number"
	default:
		return "text"
	}
}
