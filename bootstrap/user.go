package bootstrap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"monorelay/bootstrap/config"
	"monorelay/domain/account"
	"monorelay/domain/fault"
	"monorelay/ports"
	"monorelay/usecase/identity"
)

// userCommand is what the commands under user share.
type userCommand struct {
	inject Injectors
	path   string
}

func newUserCommand(inject Injectors) *cobra.Command {
	u := &userCommand{inject: inject}
	c := &cobra.Command{
		Use: "user", Short: "Look after accounts from the shell", Args: noArguments,
		Long: "Look after accounts from the shell, also when nobody can log in. USER is a username or an e-mail address. A\n" +
			"running server notices a change within two seconds.",
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("say what to do with accounts: monorelay user --help lists it")}
		},
	}
	yes, no := true, false
	c.AddCommand(
		u.list(), u.create(),
		u.onUser("passwd", "Give an account another password, and end its sessions", u.passwd),
		u.onUser("activate", "Let an account sign in again", u.change(&yes, nil)),
		u.onUser("deactivate", "Bar an account from use, and end its sessions", u.change(&no, nil)),
		u.onUser("promote", "Make an account an administrator", u.change(nil, &yes)),
		u.onUser("demote", "Make an administrator an ordinary user", u.change(nil, &no)),
		u.onUser("delete", "Delete an account", u.remove),
	)
	for _, sub := range c.Commands() {
		addConfigFlag(sub, &u.path)
	}
	return c
}

// run gives f an operator over the configured database.
func (u *userCommand) run(c *cobra.Command, f func(context.Context, *Operator) error) error {
	cfg, _, err := config.Load(findConfig(u.path), os.LookupEnv)
	if err != nil {
		return err
	}
	if path, isFile := strings.CutPrefix(cfg.DatabaseURL(), "sqlite://"); isFile && c.Name() != "create" {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("there is no database at %s: run this in the server's folder, or with the server's --config", path)
		}
	}
	logs := newLogQueue(os.Stderr)
	defer logs.close()
	cfg.Server.LogLevel = max(cfg.Server.LogLevel, 4) // slog's warnings and worse: the command says the rest itself
	o, closeAll, err := u.inject.Operator(c.Context(), &Process{Config: cfg, Log: newLogger(cfg.Server, logs)})
	if err != nil {
		return err
	}
	defer closeAll()
	return sentence(f(c.Context(), o))
}

// sentence turns a fault into what it says to people.
func sentence(err error) error {
	if f := fault.Of(err); f != nil && f.Kind != fault.Internal && f.Kind != fault.Unavailable {
		return errors.New(f.Detail)
	}
	return err
}

func (u *userCommand) list() *cobra.Command {
	var search string
	c := &cobra.Command{
		Use: "list", Short: "List the accounts", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return u.run(c, func(ctx context.Context, o *Operator) error {
				return printAccounts(ctx, c.OutOrStdout(), o.accounts, search)
			})
		},
	}
	c.Flags().StringVar(&search, "search", "", "list those only whose username or e-mail address has this `text` in it")
	return c
}

func printAccounts(ctx context.Context, out io.Writer, accounts ports.AccountStore, search string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tUSERNAME\tE-MAIL\tROLE\tSTATE\tCREATED")
	filter := ports.AccountFilter{Contains: search, Limit: 200}
	for {
		page, err := accounts.List(ctx, filter)
		if err != nil {
			return err
		}
		for _, a := range page.Accounts {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", a.ID(), a.Username(), a.Email(), roleName(a.Role()), stateName(a), a.CreatedAt().Format("2006-01-02 15:04"))
			filter.After = a.ID()
		}
		if !page.More {
			return table.Flush()
		}
	}
}

func roleName(r account.Role) string {
	switch r {
	case account.SuperAdmin:
		return "super admin"
	case account.Admin:
		return "admin"
	case account.User:
	}
	return "user"
}

func stateName(a *account.Account) string {
	if a.Active() {
		return "active"
	}
	return "inactive"
}

func (u *userCommand) create() *cobra.Command {
	var in identity.CreateAccountInput
	c := &cobra.Command{
		Use: "create USERNAME --email ADDRESS", Short: "Open an account; the first one becomes super admin", Args: oneArgument,
		Long: "Open an account. The password is asked for at a terminal, and read from standard input elsewhere.",
		RunE: func(c *cobra.Command, args []string) error {
			if in.Email == "" {
				return usageError{errors.New("say the account's e-mail address: --email ADDRESS")}
			}
			var err error
			if in.Password, err = readPassword(c); err != nil {
				return err
			}
			in.By, in.Username = account.Operator(), args[0]
			return u.run(c, func(ctx context.Context, o *Operator) error {
				a, err := o.create.Execute(ctx, in)
				if err == nil {
					_, err = fmt.Fprintf(c.OutOrStdout(), "created %s (id %d, %s)\n", a.Username(), a.ID(), roleName(a.Role()))
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&in.Email, "email", "", "the account's e-mail `address`")
	c.Flags().BoolVar(&in.Admin, "admin", false, "make it an administrator")
	return c
}

func oneArgument(c *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return usageError{fmt.Errorf("say one user: %s", c.UseLine())}
}

// onUser returns a command that does f to the account that its argument names.
func (u *userCommand) onUser(name, short string, f func(context.Context, *cobra.Command, *Operator, *account.Account) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " USER", Short: short, Args: oneArgument,
		RunE: func(c *cobra.Command, args []string) error {
			return u.run(c, func(ctx context.Context, o *Operator) error {
				a, err := o.accounts.ByLogin(ctx, args[0])
				if errors.Is(err, account.ErrNotFound) {
					return fmt.Errorf("there is no user %q: monorelay user list shows who there is", args[0])
				}
				if err != nil {
					return err
				}
				return f(ctx, c, o, a)
			})
		},
	}
}

func (u *userCommand) change(active, admin *bool) func(context.Context, *cobra.Command, *Operator, *account.Account) error {
	return func(ctx context.Context, c *cobra.Command, o *Operator, a *account.Account) error {
		changed, err := o.change.Execute(ctx, identity.ChangeAccountInput{By: account.Operator(), ID: a.ID(), Active: active, Admin: admin})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s is now %s, %s\n", changed.Username(), stateName(changed), roleName(changed.Role()))
		return err
	}
}

func (u *userCommand) passwd(ctx context.Context, c *cobra.Command, o *Operator, a *account.Account) error {
	password, err := readPassword(c)
	if err != nil {
		return err
	}
	if err := o.reset.Execute(ctx, identity.ResetPasswordInput{By: account.Operator(), ID: a.ID(), Password: password}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s has a new password, and must log in again\n", a.Username())
	return err
}

func (u *userCommand) remove(ctx context.Context, c *cobra.Command, o *Operator, a *account.Account) error {
	if err := o.remove.Execute(ctx, account.Operator(), a.ID()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "deleted %s\n", a.Username())
	return err
}

// readPassword asks for a password at a terminal, twice and without showing it, and reads one line elsewhere.
func readPassword(c *cobra.Command) (string, error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", errors.New("give the password on standard input, or at a terminal")
		}
		return line, nil
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(c.ErrOrStderr(), prompt)
		text, err := term.ReadPassword(fd)
		fmt.Fprintln(c.ErrOrStderr())
		return string(text), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask("Again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passwords differ: nothing was changed")
	}
	return first, nil
}
