package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"monorelay/bootstrap/config"
)

// Injectors put the parts together. They are Wire's, in the main package.
type Injectors struct {
	Server   func(context.Context, *Process) (*App, func(), error)
	Operator func(context.Context, *Process) (*Operator, func(), error)
}

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a command line that can't be meant.
type usageError struct{ error }

// Main runs the command that args say, and returns the process's exit code.
func Main(args []string, inject Injectors) int {
	log.SetOutput(io.Discard) // libraries write there, and quote what providers send
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	defer stop()
	root := newRoot(inject)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if mistakes, ok := errors.AsType[config.Mistakes](err); ok {
		fmt.Fprintln(os.Stderr, mistakes.Error())
		return exitFailure
	}
	fmt.Fprintln(os.Stderr, "monorelay: "+oneLine(err))
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailure
}

func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}

func newRoot(inject Injectors) *cobra.Command {
	root := &cobra.Command{
		Use:   "monorelay",
		Short: "A relay between applications and the providers of language models",
		Long: "MonoRelay stands between applications and the providers of language models. It knows who asks, and relays\n" +
			"what they ask, in OpenAI's API, to the providers that its configuration names.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("say what to do: monorelay serve starts the server, monorelay --help lists the commands")}
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.DisableDefaultCmd = true
	root.Version = strings.TrimPrefix(versionLine(), "monorelay ")
	root.SetVersionTemplate("monorelay {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (%s --help)", err, c.CommandPath())}
	})
	root.AddCommand(
		newServeCommand(inject), newDemoCommand(inject), newCheckCommand(), newMigrateCommand(), newUserCommand(inject),
		newVersionCommand(),
	)
	return root
}

// noArguments refuses what is no command, and names the nearest one.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if !c.HasSubCommands() {
		text = fmt.Sprintf("%q is one argument too many", args[0])
	} else if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + near[0] + "?"
	}
	return usageError{fmt.Errorf("%s (%s --help)", text, c.CommandPath())}
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, the commit and Go's version", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), versionLine())
			return err
		},
	}
}

func newCheckCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "check", Short: "Check a configuration, and print every mistake in it", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			path = findConfig(path)
			cfg, warnings, err := config.Load(path, os.LookupEnv, os.Environ()...)
			printWarnings(c.ErrOrStderr(), cfg, warnings)
			if err != nil {
				return err
			}
			name := path
			if name == "" {
				name = "the built-in configuration"
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), name+" is fine")
			return err
		},
	}
	addConfigFlag(c, &path)
	return c
}

func addConfigFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "config", "", "the configuration `file` (default config.yml, if there is one)")
}

func printWarnings(out io.Writer, c config.Config, warnings []config.Warning) {
	for _, w := range warnings {
		fmt.Fprintln(out, "warning: "+w.String())
	}
	for _, text := range unused(c) {
		fmt.Fprintln(out, "warning: "+text)
	}
}
