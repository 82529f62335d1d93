// Package envelope reads from a JSON request body what routing decides on, and changes it there, leaving every other
// byte as it came. It reads a body as the strictest upstream would: where two readers could disagree about what the
// body says, it refuses it.
package envelope

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"monorelay/domain/fault"
)

// Errors of a body that is not relayed.
var (
	ErrBadJSON   = fault.New(fault.Invalid, "invalid_json", "The body is not valid JSON.")
	ErrAmbiguous = fault.New(fault.Invalid, "ambiguous_field", "The body has this field twice, or in another spelling that some readers take for it.")
	ErrMissing   = fault.New(fault.Invalid, "missing_field", "The body lacks this field.")
	ErrWrongType = fault.New(fault.Invalid, "wrong_type", "The field is of the wrong type.")
)

// Limits of a body.
const (
	maxDepth = 5000 // encoding/json stops at 10,000; nothing that a model is asked nests so deep
	maxModel = 256  // the longest name of a model, in bytes
)

// Envelope is what routing reads of a body.
type Envelope struct {
	Model  string
	Stream bool

	modelAt span
}

// span is the place of a value in the body.
type span struct{ start, end int }

// field is a top-level field that a decision depends on.
type field uint8

const (
	other field = iota
	fieldModel
	fieldStream
	fieldN
	fieldMaxTokens
	fieldMaxCompletionTokens
	fieldStreamOptions
	fields
)

var fieldNames = [fields]string{
	fieldModel: "model", fieldStream: "stream", fieldN: "n", fieldMaxTokens: "max_tokens",
	fieldMaxCompletionTokens: "max_completion_tokens", fieldStreamOptions: "stream_options",
}

// Read checks that body is one JSON object in UTF-8 (RFC 8259) and returns its envelope. It fails with ErrBadJSON, with
// ErrAmbiguous if a field that decisions depend on stands twice or differs from its name in case only (as encoding/json
// folds case, which takes in U+017F and U+212A), or with ErrMissing or ErrWrongType. It keeps nothing of body.
func Read(body []byte) (Envelope, error) {
	if !utf8.Valid(body) {
		return Envelope{}, ErrBadJSON.Saying("The body is not valid UTF-8.")
	}
	s := scanner{b: body}
	values, err := s.document()
	if err != nil {
		return Envelope{}, err
	}
	var e Envelope
	if e.modelAt = values[fieldModel]; e.modelAt.end == 0 {
		return Envelope{}, ErrMissing.Saying("The body lacks the field \"model\", the name of a model.").At("model")
	}
	raw := body[e.modelAt.start:e.modelAt.end]
	if raw[0] != '"' {
		return Envelope{}, ErrWrongType.Saying("The field \"model\" must be a string.").At("model")
	}
	name, ok := unquote(raw, maxModel)
	if !ok || len(name) == 0 {
		return Envelope{}, ErrWrongType.Saying("The field \"model\" must be the name of a model, of 1 to " + strconv.Itoa(maxModel) + " bytes.").At("model")
	}
	e.Model = string(name)
	if at := values[fieldStream]; at.end != 0 {
		switch string(body[at.start:at.end]) {
		case "true":
			e.Stream = true
		case "false", "null":
		default:
			return Envelope{}, ErrWrongType.Saying("The field \"stream\" must be true or false.").At("stream")
		}
	}
	return e, nil
}

// WithModel returns body with another model in the place of e's. If the model is the same, it returns body itself.
func (e Envelope) WithModel(body []byte, model string) []byte {
	if model == e.Model {
		return body
	}
	quoted, err := json.Marshal(model)
	if err != nil {
		panic("envelope: a string can't be encoded: " + err.Error()) // json.Marshal encodes every string
	}
	out := make([]byte, 0, len(body)-(e.modelAt.end-e.modelAt.start)+len(quoted))
	out = append(out, body[:e.modelAt.start]...)
	out = append(out, quoted...)
	return append(out, body[e.modelAt.end:]...)
}

// fieldOf tells which field the raw key names. A key that only folds to a name is ambiguous.
func fieldOf(raw []byte) (field, error) {
	var key []byte
	if bytes.IndexByte(raw, '\\') < 0 {
		key = raw[1 : len(raw)-1]
	} else {
		const longest = 64 // longer than any name, whatever it is folded from
		var ok bool
		if key, ok = unquote(raw, longest); !ok {
			return other, nil
		}
	}
	for f := fieldModel; f < fields; f++ {
		name := fieldNames[f]
		if string(key) == name {
			return f, nil
		}
		if len(key) >= len(name) && len(key) <= 3*len(name) && bytes.EqualFold(key, []byte(name)) {
			return other, ErrAmbiguous.At(name)
		}
	}
	return other, nil
}
