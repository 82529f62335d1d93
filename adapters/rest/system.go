package rest

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"monorelay/domain/fault"
	"monorelay/ports"
)

// errDatabaseAway is why the server is not ready.
var errDatabaseAway = fault.New(fault.Unavailable, "database_unavailable", "The database does not answer. Try again shortly.")

// About is what the server says of itself to everybody.
type About struct {
	Version string
	BaseURL string // where clients' own paths begin
}

// System serves what needs no credential: health, readiness, and what a client must know before it can have one.
type System struct {
	about        About
	lifetime     *Lifetime
	accounts     ports.AccountStore
	policy       ports.AccessPolicy
	registration ports.Registration
	table        ports.RoutingTable
	mistake      ports.ConfigMistake
}

// NewSystem returns the handlers over their ports.
func NewSystem(about About, lifetime *Lifetime, accounts ports.AccountStore, policy ports.AccessPolicy, registration ports.Registration, table ports.RoutingTable, mistake ports.ConfigMistake) *System {
	return &System{about: about, lifetime: lifetime, accounts: accounts, policy: policy, registration: registration, table: table, mistake: mistake}
}

func (h *System) routes(r fiber.Router) {
	r.Get("/health", h.health)
	r.Get("/ready", h.ready)
	r.Get("/api/info", h.info)
	r.Get("/api/setup/status", h.setupStatus)
}

type providerBody struct {
	Name string `json:"name"`
}

// health says that the process lives, and asks nobody.
func (h *System) health(c *fiber.Ctx) error {
	body := struct {
		Status    string         `json:"status"`
		Providers []providerBody `json:"providers"`
		// ConfigError says why the configuration in force is not the one in the file.
		ConfigError string `json:"config_error,omitempty"`
	}{Status: "ok", Providers: []providerBody{}, ConfigError: h.mistake()}
	for _, p := range h.table().Providers() {
		body.Providers = append(body.Providers, providerBody{Name: p.Name})
	}
	return c.JSON(body)
}

// ready says whether new requests should be sent here.
func (h *System) ready(c *fiber.Ctx) error {
	if h.lifetime.draining.Load() {
		return errShuttingDown
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), time.Second)
	defer cancel()
	if _, err := h.accounts.Founded(ctx); err != nil {
		return errDatabaseAway.Because(err)
	}
	return c.JSON(struct {
		Status string `json:"status"`
	}{"ready"})
}

type infoBody struct {
	Name             string `json:"name"`
	Version          string `json:"version"`
	BaseURL          string `json:"base_url"`
	AccessKeyEnabled bool   `json:"access_key_enabled"`
	Registration     string `json:"registration"`
}

func (h *System) info(c *fiber.Ctx) error {
	body := infoBody{
		Name: "MonoRelay", Version: h.about.Version, BaseURL: h.about.BaseURL,
		AccessKeyEnabled: h.policy().Enabled(), Registration: "closed",
	}
	if h.registration().Open {
		body.Registration = "open"
	}
	return c.JSON(body)
}

type setupBody struct {
	Initialized bool `json:"initialized"`
	NeedsSetup  bool `json:"needs_setup"`
}

func (h *System) setupStatus(c *fiber.Ctx) error {
	founded, err := h.accounts.Founded(c.UserContext())
	if err != nil {
		return err
	}
	return c.JSON(setupBody{Initialized: founded, NeedsSetup: !founded})
}
