package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"monorelay/bootstrap/config"
)

func newServeCommand(inject Injectors) *cobra.Command {
	var path, host, port string
	c := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: noArguments,
		Long: "Run the server. Without a configuration it starts on the embedded defaults: a SQLite database and secrets of\n" +
			"its own under ./data, and the built-in echo provider for every model.",
		RunE: func(c *cobra.Command, _ []string) error {
			path = findConfig(path)
			cfg, warnings, err := config.Load(path, flagsFirst(c, os.LookupEnv), os.Environ()...)
			if err != nil {
				printWarnings(c.ErrOrStderr(), cfg, warnings)
				return flagMistake(c, err)
			}
			signal.Ignore(syscall.SIGPIPE) // a server outlives whoever reads its log
			logs := newLogQueue(os.Stderr)
			defer logs.close()
			p := &Process{ConfigPath: path, Config: cfg, Log: newLogger(cfg.Server, logs)}
			for _, w := range warnings {
				p.Log.Warn("configuration", slog.String("problem", w.String()))
			}
			for _, text := range unused(cfg) {
				p.Log.Warn("configuration", slog.String("problem", text))
			}
			return serve(c.Context(), p, inject, c.OutOrStdout())
		},
	}
	addConfigFlag(c, &path)
	c.Flags().StringVar(&host, "host", "", "the `address` to listen on (server.host)")
	c.Flags().StringVar(&port, "port", "", "the `port` to listen on, 0 for any free one (server.port)")
	return c
}

// flagsFirst lets the flags of the command line stand before the environment, in the environment's way: so they are
// checked like everything else.
func flagsFirst(c *cobra.Command, lookup func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for flag, variable := range map[string]string{"host": config.Variable("server.host"), "port": config.Variable("server.port")} {
			if f := c.Flags().Lookup(flag); name == variable && f.Changed {
				return f.Value.String(), true
			}
		}
		return lookup(name)
	}
}

// flagMistake turns a mistake that a flag made into one about the flag.
func flagMistake(c *cobra.Command, err error) error {
	mistakes, ok := errors.AsType[config.Mistakes](err)
	if !ok {
		return err
	}
	for _, m := range mistakes {
		for _, flag := range []string{"host", "port"} {
			if m.File == "" && m.Path == "server."+flag && c.Flags().Changed(flag) {
				return usageError{fmt.Errorf("--%s: %s (%s --help)", flag, m.Problem, c.CommandPath())}
			}
		}
	}
	return err
}

func serve(ctx context.Context, p *Process, inject Injectors, out io.Writer) error {
	ln, err := listen(ctx, p.Config.Server)
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }() // the server closes it first
	p.Address = ln.Addr()
	if p.Secrets, err = LoadSecrets(p.Config); err != nil {
		return err
	}
	app, closeAll, err := inject.Server(ctx, p)
	if err != nil {
		return err
	}
	defer closeAll()
	greet(out, p)
	p.Log.InfoContext(ctx, "started", slog.String("address", ln.Addr().String()), slog.String("version", versionLine()))
	err = app.Run(ctx, ln)
	p.Log.InfoContext(ctx, "stopped")
	return err
}

// greet tells the person who started the server what to do next. A key that was made just now is shown, this once.
func greet(out io.Writer, p *Process) {
	base := baseURL(p)
	root := strings.TrimSuffix(base, "/v1")
	var key string
	model := "gpt-4o"
	if aliases := p.Config.Routing.Aliases; len(aliases) > 0 {
		model = aliases[0].Name
	}
	fmt.Fprintf(out, "MonoRelay listens on http://%s\n", p.Address)
	if p.Config.Server.PublicHost != "" {
		fmt.Fprintf(out, "and is reached at %s (server.public_host)\n", root)
	}
	switch s := p.Secrets; {
	case !p.Config.Server.AccessKeyEnabled:
		key = "$TOKEN"
		fmt.Fprintf(out, "The access key is switched off. Below, TOKEN stands for the access_token of POST %s/api/auth/login.\n", root)
	case s.AccessKeyNew:
		key = s.AccessKey
		fmt.Fprintf(out, "Access key: %s\n(made just now, kept in %s, and not shown again)\n", s.AccessKey, s.AccessKeyAt)
	case s.AccessKeyAt != "":
		key = "$(cat " + s.AccessKeyAt + ")"
		fmt.Fprintf(out, "The access key is in %s.\n", s.AccessKeyAt)
	default:
		key = "$KEY"
		fmt.Fprintln(out, "The access key is the configuration's. Below, KEY stands for it (server.access_key).")
	}
	fmt.Fprintf(out, "Try it:\n\n  curl %s/chat/completions -H \"Authorization: Bearer %s\" \\\n    -H \"Content-Type: application/json\" \\\n    -d '{\"model\": \"%s\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'\n\n", base, key, model)
}
