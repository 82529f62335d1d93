package bootstrap

import (
	"github.com/spf13/cobra"
)

func newDemoCommand(inject Injectors) *cobra.Command {
	return &cobra.Command{Use: "demo", Args: noArguments, RunE: func(*cobra.Command, []string) error { return nil }}
}
