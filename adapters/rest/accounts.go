package rest

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"monorelay/domain/account"
	"monorelay/usecase/identity"
)

// Accounts serves /api/auth: opening an account, signing in, and what concerns one's own account.
type Accounts struct {
	gate     *Gate
	register *identity.Register
	login    *identity.Login
}

// NewAccounts returns the handlers over their use cases.
func NewAccounts(gate *Gate, register *identity.Register, login *identity.Login) *Accounts {
	return &Accounts{gate: gate, register: register, login: login}
}

func (h *Accounts) routes(r fiber.Router) {
	r.Post("/api/auth/register", h.postRegister)
	r.Post("/api/auth/login", h.postLogin)
	r.Get("/api/auth/me", h.gate.users(h.me))
}

type registerBody struct {
	Username *string `json:"username"`
	Email    *string `json:"email"`
	Password *string `json:"password"`
}

func (h *Accounts) postRegister(c *fiber.Ctx) error {
	var body registerBody
	if err := decode(c, apiBodyLimit, &body); err != nil {
		return err
	}
	in := identity.RegisterInput{SetupToken: c.Get("X-Setup-Token")}
	for _, f := range []struct {
		name string
		from *string
		to   *string
	}{{"username", body.Username, &in.Username}, {"email", body.Email, &in.Email}, {"password", body.Password, &in.Password}} {
		var err error
		if *f.to, err = required(f.name, f.from); err != nil {
			return err
		}
	}
	out, err := h.register.Execute(c.UserContext(), in)
	if err != nil {
		return err
	}
	return c.JSON(newSignedInBody(out))
}

type loginBody struct {
	Username *string `json:"username"`
	Password *string `json:"password"`
}

func (h *Accounts) postLogin(c *fiber.Ctx) error {
	var body loginBody
	if err := decode(c, apiBodyLimit, &body); err != nil {
		return err
	}
	login, err := required("username", body.Username)
	if err != nil {
		return err
	}
	password, err := required("password", body.Password)
	if err != nil {
		return err
	}
	out, err := h.login.Execute(c.UserContext(), identity.LoginInput{Login: login, Password: password, Network: network(visitOf(c).address)})
	if err != nil {
		return err
	}
	return c.JSON(newSignedInBody(out))
}

func (h *Accounts) me(c *fiber.Ctx, a *account.Account) error { return c.JSON(newUserBody(a)) }

type signedInBody struct {
	AccessToken string   `json:"access_token"`
	TokenType   string   `json:"token_type"`
	ExpiresIn   int64    `json:"expires_in"` // seconds
	User        userBody `json:"user"`
}

func newSignedInBody(s identity.SignedIn) signedInBody {
	return signedInBody{
		AccessToken: s.Token, TokenType: "bearer",
		ExpiresIn: int64(s.Claims.ExpiresAt.Sub(s.Claims.IssuedAt).Seconds()),
		User:      newUserBody(s.Account),
	}
}

// userBody is an account as its owner and administrators see it.
type userBody struct {
	ID           account.ID `json:"id"`
	Username     string     `json:"username"`
	Email        string     `json:"email"`
	IsAdmin      bool       `json:"is_admin"`
	IsSuperAdmin bool       `json:"is_super_admin"`
	IsActive     bool       `json:"is_active"`
	CreatedAt    time.Time  `json:"created_at"`
}

func newUserBody(a *account.Account) userBody {
	return userBody{
		ID: a.ID(), Username: a.Username().String(), Email: a.Email().String(),
		IsAdmin: a.Role() >= account.Admin, IsSuperAdmin: a.Role() == account.SuperAdmin,
		IsActive: a.Active(), CreatedAt: a.CreatedAt(),
	}
}
