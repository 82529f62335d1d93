// Command monorelay relays requests for language models to the providers that serve them, for whoever it knows.
package main

import (
	"os"

	"monorelay/bootstrap"
)

func main() {
	os.Exit(bootstrap.Main(os.Args[1:], bootstrap.Injectors{Server: initializeServer, Operator: initializeOperator}))
}
