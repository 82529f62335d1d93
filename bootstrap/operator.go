package bootstrap

import (
	"monorelay/ports"
	"monorelay/usecase/identity"
)

// Operator is what the person at the shell can do to accounts.
type Operator struct {
	accounts ports.AccountStore
	create   *identity.CreateAccount
	change   *identity.ChangeAccount
	remove   *identity.DeleteAccount
	reset    *identity.ResetPassword
}

// NewOperator returns an operator over the use cases.
func NewOperator(accounts ports.AccountStore, create *identity.CreateAccount, change *identity.ChangeAccount, remove *identity.DeleteAccount, reset *identity.ResetPassword) *Operator {
	return &Operator{accounts: accounts, create: create, change: change, remove: remove, reset: reset}
}
