// Package upstream carries calls to whatever kind of provider they are for.
package upstream

import (
	"context"

	"monorelay/adapters/upstream/echo"
	"monorelay/adapters/upstream/openai"
	"monorelay/domain/provider"
	"monorelay/ports"
)

var _ ports.Upstream = (*Upstream)(nil)

// Upstream is a ports.Upstream over all kinds of provider.
type Upstream struct {
	openai *openai.Client
	echo   *echo.Provider
}

// New returns an upstream over the kinds.
func New(openai *openai.Client, echo *echo.Provider) *Upstream {
	return &Upstream{openai: openai, echo: echo}
}

// Call implements ports.Upstream.
func (u *Upstream) Call(ctx context.Context, call ports.Call) (ports.Reply, error) {
	if call.Provider.Dialect == provider.Echo {
		return u.echo.Call(ctx, call)
	}
	return u.openai.Call(ctx, call)
}
