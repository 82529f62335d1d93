package account

import (
	"crypto/sha256"
	"crypto/subtle"

	"monorelay/domain/fault"
)

// Errors of a registration that the operator's policy forbids.
var (
	ErrRegistrationClosed = fault.New(fault.Forbidden, "registration_closed", "Registration is closed. Ask the administrator for an account.")
	ErrSetupToken         = fault.New(fault.Forbidden, "invalid_setup_token", "The first account needs the setup token of the configuration, in the header X-Setup-Token.")
)

// Registration is the operator's policy on who may open an account by himself. The zero value lets the first account
// in, and nobody else.
type Registration struct {
	Open       bool
	Passwords  PasswordPolicy
	setupToken [sha256.Size]byte
	needsToken bool
}

// NewRegistration returns the policy. With a setup token, the first account must present it.
func NewRegistration(open bool, passwords PasswordPolicy, setupToken string) Registration {
	return Registration{Open: open, Passwords: passwords, setupToken: sha256.Sum256([]byte(setupToken)), needsToken: setupToken != ""}
}

// Admit reports, as an error, why an account may not be opened now. The first one ever always may, by whoever has the
// setup token.
func (r Registration) Admit(first bool, setupToken string) error {
	if !first {
		if !r.Open {
			return ErrRegistrationClosed
		}
		return nil
	}
	presented := sha256.Sum256([]byte(setupToken))
	if r.needsToken && subtle.ConstantTimeCompare(presented[:], r.setupToken[:]) != 1 {
		return ErrSetupToken
	}
	return nil
}
