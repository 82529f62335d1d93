package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"monorelay/domain/credential"
	"monorelay/domain/exchange"
	"monorelay/domain/fault"
	"monorelay/domain/routing"
	"monorelay/usecase/relay"
)

// Relays serves /v1: what goes to providers.
type Relays struct {
	cfg      Config
	gate     *Gate
	edge     *Edge
	lifetime *Lifetime
	relay    *relay.Relay
	models   *relay.Models
	watcher  *watcher
}

// NewRelays returns the handlers over their use cases.
func NewRelays(cfg Config, gate *Gate, edge *Edge, lifetime *Lifetime, relay *relay.Relay, models *relay.Models) *Relays {
	return &Relays{cfg: cfg, gate: gate, edge: edge, lifetime: lifetime, relay: relay, models: models, watcher: newWatcher()}
}

func (h *Relays) routes(r fiber.Router) {
	r.Post("/v1/chat/completions", h.gate.anyone(h.post(exchange.ChatCompletions)))
	r.Get("/v1/models", h.gate.anyone(h.listModels))
	r.Get("/v1/models/*", h.gate.anyone(h.getModel))
}

// post relays a request whose body names a model.
func (h *Relays) post(endpoint exchange.Endpoint) func(*fiber.Ctx, credential.Principal) error {
	return func(c *fiber.Ctx, _ credential.Principal) error {
		if err := requireJSON(c); err != nil {
			return err
		}
		body, err := readBody(c, h.cfg.BodyLimit)
		if err != nil {
			return err
		}
		v := visitOf(c)
		v.trace = new(relay.Trace)
		ctx, end := h.call(c)
		defer func() {
			if !v.left { // also when something panics
				end()
			}
		}()
		answer, err := h.relay.Execute(ctx, relay.Input{
			Endpoint: endpoint, Header: forProvider(c), Body: body, ErrorEvent: errorEvent(v.id), Trace: v.trace,
		})
		if err != nil {
			tellRoute(c, v.trace)
			return endedBy(ctx, err)
		}
		h.write(c, v, answer, end)
		return nil
	}
}

// call returns the context of a call to a provider: it ends when the client hangs up, when the server is cut off, and by
// end.
func (h *Relays) call(c *fiber.Ctx) (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(h.lifetime.base)
	unwatch := h.watcher.watch(c.Context().Conn(), func() { cancel(errClientGone) })
	return ctx, func() {
		unwatch()
		cancel(nil)
	}
}

// endedBy returns why a call ended if it was not by itself.
func endedBy(ctx context.Context, err error) error {
	if fault.KindOf(err) == fault.Canceled {
		if cause := fault.Of(context.Cause(ctx)); cause != nil {
			return cause
		}
	}
	return err
}

// forProvider returns copies of the header fields that may cross.
func forProvider(c *fiber.Ctx) exchange.Header {
	out := make(exchange.Header, 0, 4)
	for name, value := range c.Request().Header.All() {
		if crossing := exchange.ForProvider(name); crossing != "" {
			out = append(out, exchange.Field{Name: crossing, Value: string(value)})
		}
	}
	return out
}

// write hands the answer to the client. One that is still to come goes on after the handler has returned, and has the end
// of the call in its hands.
func (h *Relays) write(c *fiber.Ctx, v *visit, answer *relay.Answer, end func()) {
	response := c.Response()
	c.Status(answer.Status)
	for _, f := range answer.Header {
		response.Header.Add(f.Name, f.Value)
	}
	if (answer.Status == fiber.StatusTooManyRequests || answer.Status == fiber.StatusServiceUnavailable) && answer.Header.Get(fiber.HeaderRetryAfter) == "" {
		response.Header.Set(fiber.HeaderRetryAfter, retryAfter(0))
	}
	if answer.Routed {
		tellRoute(c, v.trace)
	}
	if answer.Body == nil {
		response.SetBodyRaw(answer.Whole)
		return
	}
	if answer.Events {
		response.Header.Set("X-Accel-Buffering", "no") // or nginx in front would collect the events
	}
	v.left = true
	response.ImmediateHeaderFlush = true
	c.Context().SetBodyStream(&departure{ReadCloser: answer.Body, conn: c.Context().Conn(), visit: v, edge: h.edge, end: end}, int(answer.Length))
}

// tellRoute names who was asked last, if anybody was.
func tellRoute(c *fiber.Ctx, t *relay.Trace) {
	if t.Attempts == 0 {
		return
	}
	h := &c.Response().Header
	h.Set("X-MonoRelay-Provider", headerText(t.Provider))
	h.Set("X-MonoRelay-Model", headerText(t.UpstreamModel))
	h.Set("X-MonoRelay-Attempts", strconv.Itoa(t.Attempts))
}

// headerText makes a name fit for a header field.
func headerText(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return url.PathEscape(s)
		}
	}
	return s
}

// departure is the body of an answer on its way to the client, after the handler has returned.
type departure struct {
	io.ReadCloser
	conn  net.Conn
	visit *visit
	edge  *Edge
	end   func()
	until time.Time // the deadline for writing
}

// A client that takes nothing for this long is given up. The deadline is moved when it is half over, not at each chunk.
const writeTimeout = 60 * time.Second

// Read gives what is to be written next, and contains the panics of those that make it.
func (d *departure) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
			d.visit.failure = err
		}
	}()
	n, err = d.ReadCloser.Read(p)
	d.visit.bytes += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && d.visit.failure == nil && d.visit.trace.Broken == nil {
		d.visit.failure = relay.ErrInterrupted.Because(err)
	}
	if now := time.Now(); d.until.Sub(now) < writeTimeout/2 {
		d.until = now.Add(writeTimeout)
		if err := d.conn.SetWriteDeadline(d.until); err != nil {
			return 0, err
		}
	}
	return n, err
}

// Close ends the call and the visit.
func (d *departure) Close() error {
	err := d.ReadCloser.Close()
	d.end()
	if deadlineErr := d.conn.SetWriteDeadline(time.Time{}); deadlineErr != nil && err == nil {
		err = deadlineErr
	}
	d.edge.finish(d.visit)
	return err
}

type modelBody struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func newModelBody(m relay.Model) modelBody {
	return modelBody{ID: m.ID, Object: "model", Created: m.Created, OwnedBy: m.OwnedBy}
}

func (h *Relays) listModels(c *fiber.Ctx, _ credential.Principal) error {
	models := h.models.Execute(h.lifetime.base)
	body := struct {
		Object string      `json:"object"`
		Data   []modelBody `json:"data"`
	}{Object: "list", Data: make([]modelBody, len(models))}
	for i, m := range models {
		body.Data[i] = newModelBody(m)
	}
	return c.JSON(body)
}

// getModel takes all that follows for the model's name, which often has slashes in it.
func (h *Relays) getModel(c *fiber.Ctx, _ credential.Principal) error {
	name, err := url.PathUnescape(c.Params("*"))
	if err != nil {
		return routing.ErrNoModel
	}
	for _, m := range h.models.Execute(h.lifetime.base) {
		if m.ID == name {
			return c.JSON(newModelBody(m))
		}
	}
	return routing.ErrNoModel.Saying("This model is not in the list of /v1/models. A provider may take it all the same.")
}
