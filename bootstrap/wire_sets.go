//go:build wireinject

package bootstrap

import (
	"github.com/google/wire"

	"monorelay/adapters/password"
	"monorelay/adapters/rest"
	"monorelay/adapters/sqlstore"
	"monorelay/adapters/system"
	"monorelay/adapters/token"
	"monorelay/adapters/upstream"
	"monorelay/adapters/upstream/echo"
	"monorelay/adapters/upstream/openai"
	"monorelay/ports"
	"monorelay/usecase/identity"
	"monorelay/usecase/relay"
)

// The sets follow the rings, so that "no provider found" names the ring.
var (
	Machine = wire.NewSet(NewLogger, system.NewClock, system.NewIDs)

	Settings = wire.NewSet(NewLive, NewAccessPolicy, NewRegistration, NewRoutingTable, NewConfigMistake,
		NewTokenSecret, NewTokenTTL, NewKeepalive, NewEchoPace, NewEdgeConfig, NewAbout)

	Storage = wire.NewSet(OpenDatabase,
		sqlstore.NewAccountStore, wire.Bind(new(ports.AccountStore), new(*sqlstore.AccountStore)),
		sqlstore.NewAttemptStore, wire.Bind(new(ports.AttemptStore), new(*sqlstore.AttemptStore)))

	Secrecy = wire.NewSet(
		password.NewNormalizer,
		password.NewHasher, wire.Bind(new(ports.PasswordHasher), new(*password.Hasher)),
		token.New, wire.Bind(new(ports.Tokens), new(*token.Tokens)))

	Upstreams = wire.NewSet(openai.New, echo.New,
		upstream.New, wire.Bind(new(ports.Upstream), new(*upstream.Upstream)))

	Identity = wire.NewSet(identity.NewDirectory, identity.NewSignIn, identity.NewRegister, identity.NewLogin,
		identity.NewAuthenticate, identity.NewCreateAccount, identity.NewChangeAccount, identity.NewDeleteAccount,
		identity.NewResetPassword)

	Relaying = wire.NewSet(relay.NewRelay, relay.NewModels)

	HTTP = wire.NewSet(rest.NewLifetime, rest.NewEdge, rest.NewGate, rest.NewSystem, rest.NewAccounts, rest.NewUsers,
		rest.NewRelays, rest.NewServer)

	// ServerParts is all that serves, OperatorParts all that a person at the shell needs.
	ServerParts   = wire.NewSet(Machine, Settings, Storage, Secrecy, Upstreams, Identity, Relaying, HTTP, NewApp)
	OperatorParts = wire.NewSet(Machine, NewLive, NewRegistration, Storage, password.NewNormalizer,
		password.NewHasher, wire.Bind(new(ports.PasswordHasher), new(*password.Hasher)),
		identity.NewDirectory, identity.NewCreateAccount, identity.NewChangeAccount, identity.NewDeleteAccount,
		identity.NewResetPassword, NewOperator)
)
