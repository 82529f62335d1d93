package credential

import "monorelay/domain/account"

// Principal is who a request comes from: a user, or the service, which is whoever holds the access key.
type Principal struct {
	account *account.Account
}

// Service is the principal of the access key. It may use the relay and nothing else.
func Service() Principal { return Principal{} }

// Of returns the principal of a signed-in account.
func Of(a *account.Account) Principal { return Principal{account: a} }

// Account returns the signed-in account, or nil for the service.
func (p Principal) Account() *account.Account { return p.account }

// Actor returns the principal as somebody who asks for changes to accounts. The service has no rights there.
func (p Principal) Actor() account.Actor {
	if p.account == nil {
		return account.Actor{}
	}
	return p.account.Actor()
}

// Label names the principal in logs.
func (p Principal) Label() string {
	if p.account == nil {
		return "service"
	}
	return p.account.Username().String()
}
