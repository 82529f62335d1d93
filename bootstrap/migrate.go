package bootstrap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"monorelay/adapters/sqlstore"
	"monorelay/bootstrap/config"
)

func newMigrateCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "migrate", Short: "Bring the database's schema up to date, show it, or take a step back", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("say which way: monorelay migrate up, status or down")}
		},
	}
	for _, way := range []struct {
		name, short string
		run         func(context.Context, *cobra.Command, *sqlstore.DB) error
	}{
		{"up", "Bring the schema up to date", func(ctx context.Context, c *cobra.Command, db *sqlstore.DB) error {
			if err := db.Migrate(ctx); err != nil {
				return err
			}
			return printStatus(ctx, c, db)
		}},
		{"status", "Show which migrations were applied", printStatus},
		{"down", "Take the last migration back, with its data", func(ctx context.Context, c *cobra.Command, db *sqlstore.DB) error {
			if err := confirmDown(c); err != nil {
				return err
			}
			if err := db.Down(ctx); err != nil {
				return err
			}
			return printStatus(ctx, c, db)
		}},
	} {
		sub := &cobra.Command{Use: way.name, Short: way.short, Args: noArguments, RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := config.Load(findConfig(path), os.LookupEnv)
			if err != nil {
				return err
			}
			logs := newLogQueue(os.Stderr)
			defer logs.close()
			db, closeDB, err := sqlstore.Open(c.Context(), sqlstore.Config{URL: cfg.DatabaseURL(), Wait: databaseWait, Logger: newLogger(cfg.Server, logs)})
			if err != nil {
				return err
			}
			defer closeDB()
			return way.run(c.Context(), c, db)
		}}
		addConfigFlag(sub, &path)
		c.AddCommand(sub)
	}
	return c
}

// confirmDown asks a person at a terminal once more.
func confirmDown(c *cobra.Command) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	fmt.Fprint(c.ErrOrStderr(), "The last migration is taken back, with the data that only it has a place for. Type yes: ")
	line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

func printStatus(ctx context.Context, c *cobra.Command, db *sqlstore.DB) error {
	migrations, err := db.Status(ctx)
	if err != nil {
		return err
	}
	for _, m := range migrations {
		state := "to come"
		if !m.AppliedAt.IsZero() {
			state = m.AppliedAt.Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(c.OutOrStdout(), "%-19s  %s\n", state, m.Name)
	}
	return nil
}
