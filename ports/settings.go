package ports

import (
	"monorelay/domain/account"
	"monorelay/domain/credential"
	"monorelay/domain/routing"
)

// RoutingTable returns the table in force. It may be another one at each call.
type RoutingTable func() *routing.Table

// AccessPolicy returns the policy for the access key in force. It may be another one at each call.
type AccessPolicy func() credential.AccessPolicy

// Registration returns the policy for new accounts in force. It may be another one at each call.
type Registration func() account.Registration

// ConfigMistake returns what was wrong with the configuration that was last refused, or nothing. The one before it is in
// force.
type ConfigMistake func() string
