package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that prints masked whatever prints it: fmt, slog, encoding/json and YAML. It must
// not be a map's key, which encoding/json writes as it is.
type Secret string

// shortSecret is the length from which first and last characters say too little to help a guess.
const shortSecret = 16

// Reveal returns the secret itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String returns the first and last four characters of a long secret, and nothing of a short one.
func (s Secret) String() string {
	r := []rune(string(s))
	if len(r) < shortSecret {
		return "[secret]"
	}
	return string(r[:4]) + "…" + string(r[len(r)-4:])
}

// GoString is String: %#v must not undo the mask.
func (s Secret) GoString() string { return s.String() }

// Format writes String for every verb: %x or %q would print the secret otherwise.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
