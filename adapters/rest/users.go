package rest

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"monorelay/domain/account"
	"monorelay/domain/fault"
	"monorelay/ports"
	"monorelay/usecase/identity"
)

// errBadQuery is the answer to a parameter of the query that can't be read.
var errBadQuery = fault.New(fault.Invalid, "invalid_parameter", "The parameter must be a whole number in its range.")

// Users serves /api/users to administrators.
type Users struct {
	gate     *Gate
	accounts ports.AccountStore
	change   *identity.ChangeAccount
	remove   *identity.DeleteAccount
}

// NewUsers returns the handlers over their use cases. Reading has no rule but the gate's, and goes to the store.
func NewUsers(gate *Gate, accounts ports.AccountStore, change *identity.ChangeAccount, remove *identity.DeleteAccount) *Users {
	return &Users{gate: gate, accounts: accounts, change: change, remove: remove}
}

func (h *Users) routes(r fiber.Router) {
	r.Get("/api/users", h.gate.admins(h.list))
	r.Get("/api/users/:id", h.gate.admins(h.get))
	r.Patch("/api/users/:id", h.gate.admins(h.patch))
	r.Put("/api/users/:id", h.gate.admins(h.patch))
	r.Delete("/api/users/:id", h.gate.admins(h.delete))
}

type userListBody struct {
	Users   []userBody `json:"users"`
	HasMore bool       `json:"has_more"`
	// NextAfter is the value of after that asks for the next page.
	NextAfter *account.ID `json:"next_after"`
}

func (h *Users) list(c *fiber.Ctx, _ account.Actor) error {
	limit, err := queryNumber(c, "limit", 50, 1, 200)
	if err != nil {
		return err
	}
	after, err := queryNumber(c, "after", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	page, err := h.accounts.List(c.UserContext(), ports.AccountFilter{Contains: c.Query("search"), After: account.ID(after), Limit: int(limit)})
	if err != nil {
		return err
	}
	body := userListBody{Users: make([]userBody, len(page.Accounts)), HasMore: page.More}
	for i, a := range page.Accounts {
		body.Users[i] = newUserBody(a)
	}
	if page.More {
		last := page.Accounts[len(page.Accounts)-1].ID()
		body.NextAfter = &last
	}
	return c.JSON(body)
}

func queryNumber(c *fiber.Ctx, name string, missing, least, most int64) (int64, error) {
	text := c.Query(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, errBadQuery.At(name)
	}
	return n, nil
}

func (h *Users) get(c *fiber.Ctx, _ account.Actor) error {
	id, err := userID(c)
	if err != nil {
		return err
	}
	a, err := h.accounts.ByID(c.UserContext(), id)
	if err != nil {
		return err
	}
	return c.JSON(newUserBody(a))
}

type userChangeBody struct {
	IsActive *bool `json:"is_active"`
	IsAdmin  *bool `json:"is_admin"`
}

func (h *Users) patch(c *fiber.Ctx, by account.Actor) error {
	id, err := userID(c)
	if err != nil {
		return err
	}
	var body userChangeBody
	if err := decode(c, apiBodyLimit, &body); err != nil {
		return err
	}
	if body.IsActive == nil && body.IsAdmin == nil {
		return errMissingField.Saying("Say what to change: is_active, is_admin or both.").At("is_active")
	}
	a, err := h.change.Execute(c.UserContext(), identity.ChangeAccountInput{By: by, ID: id, Active: body.IsActive, Admin: body.IsAdmin})
	if err != nil {
		return err
	}
	return c.JSON(newUserBody(a))
}

func (h *Users) delete(c *fiber.Ctx, by account.Actor) error {
	id, err := userID(c)
	if err != nil {
		return err
	}
	if err := h.remove.Execute(c.UserContext(), by, id); err != nil {
		return err
	}
	c.Status(fiber.StatusNoContent)
	return nil
}

// userID reads the id in the path. What is no id is no user's.
func userID(c *fiber.Ctx) (account.ID, error) {
	text := c.Params("id")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != text {
		return 0, account.ErrNotFound
	}
	return account.ID(n), nil
}
