// Package provider describes the upstream providers of models, as the operator configured them.
package provider

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Dialect is the API that a provider speaks.
type Dialect uint8

// The dialects.
const (
	OpenAI Dialect = iota
	Anthropic
	Echo // built in: answers with what it was asked
)

func (d Dialect) String() string {
	switch d {
	case OpenAI:
		return "openai"
	case Anthropic:
		return "anthropic"
	case Echo:
		return "echo"
	}
	return "unknown"
}

// Secret is a provider's key. It does not print.
type Secret struct{ s string }

// NewSecret returns s as a Secret.
func NewSecret(s string) Secret { return Secret{s} }

// Reveal returns the key itself, for the request that carries it to its provider.
func (s Secret) Reveal() string { return s.s }

// Mask returns text with the key cut to its first and last four characters: a provider may quote a key that it refuses.
func (s Secret) Mask(text []byte) []byte {
	if s.s == "" || !bytes.Contains(text, []byte(s.s)) {
		return text
	}
	const shown, enough = 4, 16
	masked := "[key]"
	if len(s.s) >= enough {
		masked = s.s[:shown] + "…" + s.s[len(s.s)-shown:]
	}
	return bytes.ReplaceAll(text, []byte(s.s), []byte(masked))
}

// MaskText is Mask for a header's value.
func (s Secret) MaskText(text string) string {
	if s.s == "" || !strings.Contains(text, s.s) {
		return text
	}
	return string(s.Mask([]byte(text)))
}

// IsZero reports whether there is no key, as with a local model server.
func (s Secret) IsZero() bool { return s.s == "" }

// Format keeps the key out of everything that fmt prints.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// LogValue keeps the key out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue("[key]") }

// Header is one header field that the operator adds to every call.
type Header struct{ Name, Value string }

// Provider is one upstream of models. It does not change once made.
type Provider struct {
	Name         string
	Dialect      Dialect
	Base         Base // nothing for Echo
	Key          Secret
	Headers      []Header
	Timeout      time.Duration // how long the provider may send nothing
	AllowPrivate bool          // whether Base's name may resolve to a private address
	Models       Filter
}

// Base is where a provider's own paths begin. Path has no slash at its end.
type Base struct{ Scheme, Host, Path string }

// pasted are the paths of endpoints that come with a base URL when it is copied from a manual.
var pasted = []string{
	"/chat/completions", "/completions", "/embeddings", "/models", "/responses", "/moderations", "/images/generations",
	"/audio/speech", "/audio/transcriptions", "/rerank",
}

// ParseBase reads a base URL. A trailing slash, or the path of an endpoint at its end, does no harm. It fails if raw is
// no http or https URL with a host.
func ParseBase(raw string) (Base, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return Base{}, errors.New("not a URL") // the library's error quotes it, and what it may hold
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return Base{}, errors.New("not an http or https URL with a host")
	}
	path := strings.TrimRight(u.Path, "/")
	for _, endpoint := range pasted {
		if rest, found := strings.CutSuffix(path, endpoint); found {
			path = strings.TrimRight(rest, "/")
			break
		}
	}
	return Base{Scheme: u.Scheme, Host: u.Host, Path: path}, nil
}
