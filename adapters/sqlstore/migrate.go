package sqlstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// Migration is a step of the schema. AppliedAt is zero for one that is to come.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time
}

// Migrate brings the schema up to this program's. Any number of processes may call it at once. One that was killed on the
// way is taken up where it ended.
func (db *DB) Migrate(ctx context.Context) error {
	return db.migrate(ctx, func(p *goose.Provider) error {
		results, err := p.Up(ctx)
		if partial, ok := errors.AsType[*goose.PartialError](err); ok {
			results = partial.Applied
		}
		for _, r := range results {
			db.logger.InfoContext(ctx, "migration applied", "version", r.Source.Version, "name", path.Base(r.Source.Path), "ms", float64(r.Duration.Microseconds())/1000)
		}
		return err
	})
}

// Down takes the last migration back, with the data that only it has a place for. It does nothing to an empty schema.
func (db *DB) Down(ctx context.Context) error {
	return db.migrate(ctx, func(p *goose.Provider) error {
		result, err := p.Down(ctx)
		switch {
		case errors.Is(err, goose.ErrNoNextVersion):
			return nil
		case err != nil:
			return err
		}
		db.logger.InfoContext(ctx, "migration taken back", "version", result.Source.Version, "name", path.Base(result.Source.Path))
		return nil
	})
}

// Status lists the migrations that this program knows, in their order.
func (db *DB) Status(ctx context.Context) ([]Migration, error) {
	var list []Migration
	err := db.migrate(ctx, func(p *goose.Provider) error {
		status, err := p.Status(ctx)
		for _, s := range status {
			list = append(list, Migration{s.Source.Version, path.Base(s.Source.Path), s.AppliedAt.UTC()})
		}
		return err
	})
	return list, err
}

// migrate runs f with goose, while no other process does, if the schema is not newer than this program.
func (db *DB) migrate(ctx context.Context, f func(*goose.Provider) error) error {
	files, err := fs.Sub(migrations, "migrations/"+db.engine.folder)
	if err != nil {
		return err
	}
	pool, err := db.engine.migrator()
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	defer func() { _ = pool.Close() }()
	err = db.engine.exclusively(ctx, pool, func() error {
		// goose must open no transactions: SQLite is in one, and MySQL's would end at every CREATE TABLE.
		p, err := goose.NewProvider(db.engine.dialect, pool, files, goose.WithIsolateDDL(true), goose.WithDisableGlobalRegistry(true))
		if err != nil {
			return err
		}
		current, known, err := p.GetVersions(ctx)
		if err != nil {
			return err
		}
		if current > known {
			return fmt.Errorf("schema version %d is newer than this program's %d; run a newer monorelay", current, known)
		}
		return f(p)
	})
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}
