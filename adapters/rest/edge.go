package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"monorelay/domain/credential"
	"monorelay/domain/fault"
	"monorelay/ports"
	"monorelay/usecase/relay"
)

// Edge is what every request passes on its way in and out: it gets an id, what it may share with other origins, an answer
// if its handler has none, and one line in the log.
type Edge struct {
	cfg   Config
	log   *slog.Logger
	newID ports.NewID
}

// NewEdge returns the edge.
func NewEdge(cfg Config, log *slog.Logger, newID ports.NewID) *Edge {
	return &Edge{cfg: cfg, log: log, newID: newID}
}

// visit is what is known of a request while it is handled, and in the log afterwards.
type visit struct {
	id        string
	began     time.Time
	address   netip.Addr
	method    string
	route     string // the pattern, never the path: that can hold anything
	principal credential.Principal
	known     bool // whether principal is
	status    int
	bytes     int64
	failure   error
	trace     *relay.Trace // of a relayed request
	left      bool         // the answer's body will finish the visit
}

const visitKey = "visit"

func visitOf(c *fiber.Ctx) *visit {
	v, ok := c.Locals(visitKey).(*visit)
	if !ok {
		panic("rest: a handler runs outside the edge")
	}
	return v
}

func (e *Edge) begin(c *fiber.Ctx) *visit {
	v := &visit{began: time.Now(), id: e.requestID(c), address: clientAddress(c, e.cfg.TrustedProxies), method: c.Method()}
	c.Locals(visitKey, v)
	h := &c.Response().Header
	h.Set(fiber.HeaderXRequestID, v.id)
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderCacheControl, "no-store")
	return v
}

// handle runs the handler, and answers for it if it fails or panics.
func (e *Edge) handle(c *fiber.Ctx) error {
	v := e.begin(c)
	err := e.next(c)
	v.route = c.Route().Path
	if err != nil {
		f := faultOf(err)
		if v.failure = err; fault.Of(err) == nil {
			v.failure = f // Fiber's errors quote the path, and fasthttp's the request
		}
		if f == errNoRoute || f == errMethod {
			v.route = "none"
		}
		writeFault(c, f, v.id)
	}
	v.status = c.Response().StatusCode()
	if !v.left {
		v.bytes = int64(len(c.Response().Body()))
		e.finish(v)
	}
	return nil
}

// next runs what is behind the edge, unless other origins' browsers are answered already, and contains its panics.
func (e *Edge) next(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
	}()
	if e.share(c) {
		c.Status(fiber.StatusNoContent)
		return nil
	}
	return c.Next()
}

// panicked is a panic as an error, for the log.
func panicked(r any) error {
	return errInternal.Because(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
}

// unread answers a request that fasthttp could not read, so that no handler saw it.
func (e *Edge) unread(c *fiber.Ctx, err error) error {
	v := e.begin(c)
	v.route = "unreadable"
	f := faultOf(err)
	v.failure = f
	writeFault(c, f, v.id)
	c.Context().SetConnectionClose()
	v.status = c.Response().StatusCode()
	e.finish(v)
	return nil
}

// requestID returns the client's id for the request if it is a sane one, else a new one.
func (e *Edge) requestID(c *fiber.Ctx) string {
	const longest = 128
	id := c.Get(fiber.HeaderXRequestID)
	if id == "" || len(id) > longest {
		return e.newID()
	}
	for i := range len(id) {
		switch b := id[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.', b == ':':
		default:
			return e.newID()
		}
	}
	return id
}

// exposed are the fields that scripts of other origins may read.
const exposed = "X-Request-Id, X-Upstream-Request-Id, X-MonoRelay-Provider, X-MonoRelay-Model, X-MonoRelay-Attempts, Retry-After"

// share tells a browser whether a script of another origin may have the answer (the Fetch standard's CORS protocol), and
// reports whether that was all it asked. It never allows cookies: no credential here is one.
func (e *Edge) share(c *fiber.Ctx) (answered bool) {
	if len(e.cfg.CORSOrigins) == 0 {
		return false
	}
	h := &c.Response().Header
	origin := c.Get(fiber.HeaderOrigin)
	switch {
	case slices.Contains(e.cfg.CORSOrigins, "*"):
		h.Set(fiber.HeaderAccessControlAllowOrigin, "*")
	default:
		h.Set(fiber.HeaderVary, fiber.HeaderOrigin)
		if origin == "" || !slices.Contains(e.cfg.CORSOrigins, origin) {
			return false
		}
		h.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	}
	h.Set(fiber.HeaderAccessControlExposeHeaders, exposed)
	if c.Method() != fiber.MethodOptions || c.Get(fiber.HeaderAccessControlRequestMethod) == "" {
		return false
	}
	h.Set(fiber.HeaderAccessControlAllowMethods, "GET, HEAD, POST, PUT, PATCH, DELETE")
	// Official clients send dozens of fields of their own; what may go on is decided elsewhere, for every client alike.
	if asked := c.Get(fiber.HeaderAccessControlRequestHeaders); isFieldList(asked) {
		h.Set(fiber.HeaderAccessControlAllowHeaders, asked)
	}
	h.Set(fiber.HeaderAccessControlMaxAge, "600")
	return true
}

// isFieldList reports whether s is a list of field names of a sane length.
func isFieldList(s string) bool {
	const longest = 4 << 10
	for i := range len(s) {
		switch b := s[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == ',', b == ' ':
		default:
			return false
		}
	}
	return s != "" && len(s) <= longest
}

// finish writes the request's line. A client's mistake is no error of the server's.
func (e *Edge) finish(v *visit) {
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("id", v.id), slog.String("method", v.method), slog.String("route", v.route), slog.Int("status", v.status),
		slog.Float64("ms", float64(time.Since(v.began).Microseconds())/1000), slog.Int64("bytes", v.bytes),
		slog.String("address", v.address.String()))
	if v.known {
		attrs = append(attrs, slog.String("principal", v.principal.Label()))
	}
	failure := v.failure
	if t := v.trace; t != nil && t.Model != "" {
		attrs = append(attrs, slog.String("model", t.Model))
		if t.Attempts > 0 {
			attrs = append(attrs, slog.String("provider", t.Provider), slog.String("upstream_model", t.UpstreamModel), slog.Int("attempts", t.Attempts))
		}
		if failure == nil {
			failure = t.Broken
		}
	}
	level := slog.LevelInfo
	if failure != nil {
		f := faultOf(failure)
		attrs = append(attrs, slog.String("code", f.Code))
		if cause := failure.Error(); cause != f.Code {
			attrs = append(attrs, slog.String("err", cause))
		}
		switch f.Kind {
		case fault.Internal:
			level = slog.LevelError
		case fault.Unavailable, fault.BadUpstream, fault.Timeout:
			level = slog.LevelWarn
		case fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.NotFound, fault.Conflict, fault.Limited, fault.Canceled:
		}
	}
	e.log.LogAttrs(context.Background(), level, "request", attrs...)
}
