package rest

import (
	"errors"
	"io"
	"mime"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"monorelay/domain/fault"
)

// Errors of a body under /api.
var (
	errBadJSON      = fault.New(fault.Invalid, "invalid_json", "The body is not valid JSON.")
	errWrongType    = fault.New(fault.Invalid, "wrong_type", "The field is of the wrong type.")
	errMissingField = fault.New(fault.Invalid, "missing_field", "The body lacks this field.")
	errUnknownField = fault.New(fault.Invalid, "unknown_field", "This endpoint has no such field.")
	errTwice        = fault.New(fault.Invalid, "ambiguous_field", "The body has this field twice.")
)

// requireJSON refuses a body that does not say it is JSON, and one that would have to be unpacked.
func requireJSON(c *fiber.Ctx) error {
	if encoding := c.Get(fiber.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return errContentType
	}
	if string(c.Request().Header.ContentType()) == fiber.MIMEApplicationJSON { // what nearly every client sends
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if err != nil || mediaType != fiber.MIMEApplicationJSON {
		return errContentType
	}
	return nil
}

// readBody returns the request's body, which belongs to the caller. The server runs with request streaming on, which
// lets a handler refuse a request before its body is read, and leaves the limit to this.
func readBody(c *fiber.Ctx, limit int64) ([]byte, error) {
	length := int64(c.Request().Header.ContentLength())
	if length > limit {
		return nil, errTooLarge
	}
	stream := c.Context().RequestBodyStream()
	if stream == nil {
		return nil, nil
	}
	if length >= 0 {
		body := make([]byte, length)
		_, err := io.ReadFull(stream, body)
		return body, readError(err)
	}
	body, err := io.ReadAll(io.LimitReader(stream, limit+1))
	if int64(len(body)) > limit {
		return nil, errTooLarge
	}
	return body, readError(err)
}

func readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errTooSlow.Because(err)
	}
	return errMalformed
}

// decode reads the body into dst, whose fields it must name as they are spelled, each once, and no others.
func decode(c *fiber.Ctx, limit int64, dst any) error {
	if err := requireJSON(c); err != nil {
		return err
	}
	body, err := readBody(c, limit)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return errBadJSON.Saying("The body is empty. Send a JSON object.")
	}
	if err := json.Unmarshal(body, dst, json.RejectUnknownMembers(true)); err != nil {
		return explainJSON(err)
	}
	return nil
}

// explainJSON names the field at fault, and nothing of its value.
func explainJSON(err error) error {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return errTwice.At(field(e.JSONPointer)).Because(err)
		}
		return errBadJSON.Because(err)
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		if errors.Is(err, json.ErrUnknownName) {
			return errUnknownField.At(field(e.JSONPointer)).Because(err)
		}
		if e.JSONPointer == "" {
			return errBadJSON.Saying("The body must be a JSON object.")
		}
		return errWrongType.At(field(e.JSONPointer)).Because(err)
	}
	return errBadJSON.Because(err)
}

// field turns a JSON pointer into the path that errors carry.
func field(p jsontext.Pointer) string {
	var parts []string
	for token := range p.Tokens() {
		parts = append(parts, token)
	}
	path := strings.Join(parts, ".")
	return path[:min(len(path), 100)]
}

// required returns the text of a field that must be there.
func required(name string, value *string) (string, error) {
	if value == nil {
		return "", errMissingField.At(name)
	}
	return *value, nil
}
