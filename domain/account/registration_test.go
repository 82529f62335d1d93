package account_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"monorelay/domain/account"
)

func TestRegistrationAdmit(t *testing.T) {
	t.Parallel()
	closed, wrong := account.ErrRegistrationClosed, account.ErrSetupToken
	tests := []struct {
		name            string
		open            bool
		setupToken      string
		first           bool
		presented       string
		want            error
		sameWithDefault bool // the zero Registration gives the same answer
	}{
		{"open, the first", true, "", true, "", nil, false},
		{"open, another", true, "", false, "", nil, false},
		{"closed, the first", false, "", true, "", nil, true},
		{"closed, another", false, "", false, "", closed, true},
		{"no token is asked for, one is presented", false, "", true, "anything", nil, true},
		{"open, the first without the token", true, "s3cret", true, "", wrong, false},
		{"open, the first with a wrong token", true, "s3cret", true, "s3creT", wrong, false},
		{"open, the first with part of the token", true, "s3cret", true, "s3cre", wrong, false},
		{"open, the first with more than the token", true, "s3cret", true, "s3cret ", wrong, false},
		{"open, the first with the token", true, "s3cret", true, "s3cret", nil, false},
		{"open, another without the token", true, "s3cret", false, "", nil, false},
		{"open, another with a wrong token", true, "s3cret", false, "wrong", nil, false},
		{"closed, the first without the token", false, "s3cret", true, "", wrong, false},
		{"closed, the first with the token", false, "s3cret", true, "s3cret", nil, false},
		{"closed, another with the token", false, "s3cret", false, "s3cret", closed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			policy := account.NewRegistration(tt.open, account.PasswordPolicy{}, tt.setupToken)
			require.ErrorIs(t, policy.Admit(tt.first, tt.presented), tt.want)
			if tt.sameWithDefault {
				require.ErrorIs(t, account.Registration{}.Admit(tt.first, tt.presented), tt.want)
			}
		})
	}
}
