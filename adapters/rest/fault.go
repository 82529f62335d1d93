package rest

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"

	"monorelay/domain/account"
	"monorelay/domain/credential"
	"monorelay/domain/fault"
)

// Errors of HTTP itself, which no use case knows.
var (
	errNoRoute      = fault.New(fault.NotFound, "unknown_path", "There is nothing at this path.")
	errMethod       = fault.New(fault.Invalid, "method_not_allowed", "This path does not take this method. The header Allow says which it takes.")
	errContentType  = fault.New(fault.Invalid, "unsupported_media_type", "Send the body as Content-Type: application/json, without a Content-Encoding.")
	errTooLarge     = fault.New(fault.Invalid, "request_too_large", "The request is larger than this server takes.")
	errHeadTooLarge = fault.New(fault.Invalid, "headers_too_large", "The request's header fields are larger than this server takes.")
	errTooSlow      = fault.New(fault.Invalid, "request_timeout", "The request took too long to arrive.")
	errMalformed    = fault.New(fault.Invalid, "malformed_request", "The request is not valid HTTP.")
	errShuttingDown = fault.New(fault.Unavailable, "shutting_down", "The server is shutting down. Try again shortly.")
	errClientGone   = fault.New(fault.Canceled, "client_gone", "The client closed its connection.")
	errInternal     = fault.New(fault.Internal, "internal_error", "The server made a mistake. Its log has the rest, under this request id.")
)

// statuses are those of the errors above, whose kind does not tell.
var statuses = map[string]int{
	errMethod.Code: fiber.StatusMethodNotAllowed, errContentType.Code: fiber.StatusUnsupportedMediaType,
	errTooLarge.Code: fiber.StatusRequestEntityTooLarge, errHeadTooLarge.Code: fiber.StatusRequestHeaderFieldsTooLarge,
	errTooSlow.Code: fiber.StatusRequestTimeout,
}

// statusOf is the only place where a fault meets a status, and kindNames where it meets OpenAI's word for it.
func statusOf(f *fault.Error) int {
	if status, special := statuses[f.Code]; special {
		return status
	}
	switch f.Kind {
	case fault.Invalid:
		return fiber.StatusBadRequest
	case fault.Unauthenticated:
		return fiber.StatusUnauthorized
	case fault.Forbidden:
		return fiber.StatusForbidden
	case fault.NotFound:
		return fiber.StatusNotFound
	case fault.Conflict:
		return fiber.StatusConflict
	case fault.Limited:
		return fiber.StatusTooManyRequests
	case fault.Unavailable:
		return fiber.StatusServiceUnavailable
	case fault.BadUpstream:
		return fiber.StatusBadGateway
	case fault.Timeout:
		return fiber.StatusGatewayTimeout
	case fault.Canceled:
		return statusClientGone
	case fault.Internal:
	}
	return fiber.StatusInternalServerError
}

// statusClientGone is for the log: nobody is there to be answered. The number is nginx's.
const statusClientGone = 499

var kindNames = map[fault.Kind]string{
	fault.Internal: "api_error", fault.Invalid: "invalid_request_error", fault.Unauthenticated: "authentication_error",
	fault.Forbidden: "permission_error", fault.NotFound: "not_found_error", fault.Conflict: "conflict_error",
	fault.Limited: "rate_limit_error", fault.Unavailable: "api_error", fault.BadUpstream: "upstream_error",
	fault.Timeout: "upstream_error", fault.Canceled: "api_error",
}

// faultOf returns what of err may be shown. Whatever is neither a fault nor one of Fiber's errors is internal.
func faultOf(err error) *fault.Error {
	if f := fault.Of(err); f != nil && f.Kind != fault.Internal {
		return f
	}
	if e, ok := errors.AsType[*fiber.Error](err); ok {
		switch e.Code {
		case fiber.StatusNotFound:
			return errNoRoute
		case fiber.StatusMethodNotAllowed:
			return errMethod
		case fiber.StatusRequestEntityTooLarge:
			return errTooLarge
		case fiber.StatusRequestHeaderFieldsTooLarge:
			return errHeadTooLarge
		case fiber.StatusRequestTimeout:
			return errTooSlow
		case fiber.StatusBadRequest, fiber.StatusBadGateway: // what fasthttp could not read, or lost while reading
			return errMalformed
		}
	}
	return errInternal.Because(err)
}

// errorBody is OpenAI's envelope, with the request id beside it.
type errorBody struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
	RequestID string `json:"request_id,omitempty"`
}

func encodeFault(f *fault.Error, requestID string) []byte {
	var body errorBody
	body.Error.Message, body.Error.Type, body.Error.Code = f.Detail, kindNames[f.Kind], f.Code
	if f.Param != "" {
		body.Error.Param = &f.Param
	}
	body.RequestID = requestID
	text, err := json.Marshal(body)
	if err != nil {
		panic("rest: encode an error: " + err.Error()) // strings can always be encoded
	}
	return text
}

// writeFault answers with f.
func writeFault(c *fiber.Ctx, f *fault.Error, requestID string) {
	status := statusOf(f)
	c.Status(status)
	c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
	if status == fiber.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, challenge(f))
	}
	if status == fiber.StatusTooManyRequests || status == fiber.StatusServiceUnavailable {
		c.Set(fiber.HeaderRetryAfter, retryAfter(f.RetryAfter))
	}
	switch status {
	case fiber.StatusRequestEntityTooLarge, fiber.StatusRequestTimeout, statusClientGone:
		c.Context().SetConnectionClose() // the rest of the request is still on its way, or nobody is there
		if conn, ok := c.Context().Conn().(*countedConn); ok && status == fiber.StatusRequestEntityTooLarge {
			conn.refused.Store(true)
		}
	}
	c.Response().SetBodyRaw(encodeFault(f, requestID))
}

// challenge says, as RFC 6750, section 3, has it, what was wrong with a credential if there was one.
func challenge(f *fault.Error) string {
	const realm = `Bearer realm="monorelay"`
	if f.Is(credential.ErrMissing) || f.Is(account.ErrBadCredentials) {
		return realm
	}
	return realm + `, error="invalid_token", error_description="` + strings.ReplaceAll(f.Detail, `"`, "'") + `"`
}

// retryAfter returns whole seconds, one at least.
func retryAfter(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

// errorEvent is the event with which a stream of OpenAI's breaks off.
func errorEvent(requestID string) func(error) []byte {
	return func(err error) []byte {
		return append(append([]byte("data: "), encodeFault(faultOf(err), requestID)...), "\n\n"...)
	}
}
