// Package rest serves the relay over HTTP with Fiber. Nothing outside this package imports Fiber.
//
// A request comes in at edge.go, is told who it is from in authenticate.go, and is handled in the file of its resource.
// Errors leave through fault.go.
package rest

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Bounds of a request on its way in. A body has time for its length beyond the least, at the rate of a slow line.
const (
	headTimeout   = 15 * time.Second
	bodyTimeout   = 30 * time.Second
	bodyRate      = 32 << 10 // bytes a second
	unknownLength = 4 << 20  // bytes that a body is taken to have that does not say
	idleTimeout   = 90 * time.Second
	headLimit     = 16 << 10 // bytes; each open connection has a buffer of this size
	apiBodyLimit  = 64 << 10 // bytes, under /api, where anybody may send one
)

// Config is what the operator says about the edge.
type Config struct {
	BodyLimit      int64 // of a relayed request, in bytes
	CORSOrigins    []string
	TrustedProxies []netip.Prefix
	MaxConnections int64 // 0 is no limit
}

// Server is the HTTP edge.
type Server struct {
	app      *fiber.App
	log      *slog.Logger
	cfg      Config
	edge     *Edge
	lifetime *Lifetime
}

// Lifetime is how the edge comes to its end: first it drains, then what is left is cut off.
type Lifetime struct {
	draining atomic.Bool
	base     context.Context //nolint:containedctx // the parent of every request; Fiber v2 has none
	cut      context.CancelCauseFunc
}

// NewLifetime returns the lifetime of a server that is not started yet.
func NewLifetime() *Lifetime {
	base, cut := context.WithCancelCause(context.Background())
	return &Lifetime{base: base, cut: cut}
}

// NewServer mounts the handlers.
func NewServer(cfg Config, log *slog.Logger, lifetime *Lifetime, edge *Edge, system *System, accounts *Accounts, users *Users, relays *Relays) *Server {
	app := fiber.New(fiber.Config{
		DisableStartupMessage:        true,
		DisableDefaultContentType:    true,
		DisablePreParseMultipartForm: true,
		CaseSensitive:                true,
		StrictRouting:                true,
		Immutable:                    true, // what handlers keep outlives them
		StreamRequestBody:            true, // a request can be refused before its body is read; readBody has the limit
		BodyLimit:                    int(min(cfg.BodyLimit, 1<<62)),
		ReadBufferSize:               headLimit,
		ReadTimeout:                  headTimeout,
		IdleTimeout:                  idleTimeout,
		// No WriteTimeout: it would be one for a whole stream. The writer of each stream has its own.
		ErrorHandler: edge.unread,
		JSONEncoder:  func(v any) ([]byte, error) { return json.Marshal(v) },
	})
	app.Use(edge.handle)
	system.routes(app)
	accounts.routes(app)
	users.routes(app)
	relays.routes(app)

	s := &Server{app: app, log: log, cfg: cfg, edge: edge, lifetime: lifetime}
	server := app.Server()
	server.HeaderReceived = s.bodyDeadline
	server.ExpectHandler = s.expect
	server.CloseOnShutdown = true
	server.SecureErrorLogMessage = true // or an error would quote the request, and the credential in it
	server.Handler = s.knownMethods(server.Handler)
	return s
}

// bodyDeadline gives a body time for its length, so that one that trickles is not waited for.
func (s *Server) bodyDeadline(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	length := int64(h.ContentLength())
	if length < 0 {
		length = unknownLength
	}
	length = min(length, s.limitFor(h))
	return fasthttp.RequestConfig{ReadTimeout: bodyTimeout + time.Duration(length)*time.Second/bodyRate}
}

func (s *Server) limitFor(h *fasthttp.RequestHeader) int64 {
	if bytes.HasPrefix(h.RequestURI(), []byte("/api/")) {
		return min(apiBodyLimit, s.cfg.BodyLimit)
	}
	return s.cfg.BodyLimit
}

// expect answers a client that asks before it sends a body.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	if int64(ctx.Request.Header.ContentLength()) <= s.limitFor(&ctx.Request.Header) {
		return fasthttp.StatusContinue
	}
	s.refuse(ctx, errTooLarge)
	return fasthttp.StatusRequestEntityTooLarge
}

// methods are those that some path may take.
var methods = []string{
	fiber.MethodGet, fiber.MethodHead, fiber.MethodPost, fiber.MethodPut, fiber.MethodPatch, fiber.MethodDelete, fiber.MethodOptions,
}

// knownMethods answers every other method here: Fiber has no route table for most, and answers in words of its own.
func (s *Server) knownMethods(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if !slices.Contains(methods, string(ctx.Method())) {
			s.refuse(ctx, errMethod)
			ctx.Response.Header.Set(fiber.HeaderAllow, strings.Join(methods, ", "))
			return
		}
		next(ctx)
	}
}

// refuse answers a request that never reaches a handler.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) {
	c := s.app.AcquireCtx(ctx)
	defer s.app.ReleaseCtx(c)
	_ = s.edge.unread(c, err) // which has no errors
}

// Serve answers on ln until ctx ends. What is under way then has grace to finish; streams that are left are told why they
// end, and cut off. Serve returns when nothing is left.
func (s *Server) Serve(ctx context.Context, ln net.Listener, grace time.Duration) error {
	guarded := &guardedListener{Listener: ln, log: s.log, limit: s.cfg.MaxConnections}
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(guarded) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.lifetime.draining.Store(true)
	cut := time.AfterFunc(grace, func() { s.lifetime.cut(errShuttingDown) })
	defer cut.Stop()
	const farewell = 5 * time.Second // for the last words of those that are cut off
	if err := s.app.ShutdownWithTimeout(grace + farewell); err != nil {
		s.log.WarnContext(ctx, "connections were left open at the end", slog.Any("err", err))
	}
	s.lifetime.cut(errShuttingDown)
	return nil
}
