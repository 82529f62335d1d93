//go:build wireinject

package main

import (
	"context"

	"github.com/google/wire"

	"monorelay/bootstrap"
)

func initializeServer(ctx context.Context, p *bootstrap.Process) (*bootstrap.App, func(), error) {
	panic(wire.Build(bootstrap.ServerParts))
}

func initializeOperator(ctx context.Context, p *bootstrap.Process) (*bootstrap.Operator, func(), error) {
	panic(wire.Build(bootstrap.OperatorParts))
}
