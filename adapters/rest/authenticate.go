package rest

import (
	"github.com/gofiber/fiber/v2"

	"monorelay/domain/account"
	"monorelay/domain/credential"
	"monorelay/domain/fault"
	"monorelay/usecase/identity"
)

// errUserRequired is the answer to the access key where an account is meant.
var errUserRequired = fault.New(fault.Forbidden, "user_required", "The access key is for the relay only. Log in with a user account for this.")

// Gate lets requests in that say who they are from. A handler behind it takes the principal as an argument, so that none
// can be mounted without it.
type Gate struct {
	authenticate *identity.Authenticate
}

// NewGate returns the gate.
func NewGate(authenticate *identity.Authenticate) *Gate { return &Gate{authenticate: authenticate} }

// anyone lets every principal in.
func (g *Gate) anyone(handle func(*fiber.Ctx, credential.Principal) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		p, err := g.principal(c)
		if err != nil {
			return err
		}
		return handle(c, p)
	}
}

// users lets signed-in accounts in.
func (g *Gate) users(handle func(*fiber.Ctx, *account.Account) error) fiber.Handler {
	return g.anyone(func(c *fiber.Ctx, p credential.Principal) error {
		a := p.Account()
		if a == nil {
			return errUserRequired
		}
		return handle(c, a)
	})
}

// admins lets administrators in, whose role is read afresh.
func (g *Gate) admins(handle func(*fiber.Ctx, account.Actor) error) fiber.Handler {
	return g.users(func(c *fiber.Ctx, a *account.Account) error {
		by := a.Actor()
		if err := by.MayAdminister(); err != nil {
			return err
		}
		return handle(c, by)
	})
}

func (g *Gate) principal(c *fiber.Ctx) (credential.Principal, error) {
	p, err := g.authenticate.Execute(c.UserContext(), credential.Headers{
		Authorization: lines(c, fiber.HeaderAuthorization),
		AccessKey:     lines(c, "X-Access-Key"),
		APIKey:        lines(c, "X-Api-Key"),
	})
	if err != nil {
		return credential.Principal{}, err
	}
	v := visitOf(c)
	v.principal, v.known = p, true
	return p, nil
}

// lines returns a copy of every line of a header.
func lines(c *fiber.Ctx, name string) []string {
	values := c.Request().Header.PeekAll(name)
	if len(values) == 0 {
		return nil
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
