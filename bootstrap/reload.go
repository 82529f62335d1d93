package bootstrap

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"monorelay/bootstrap/config"
)

// settle is how long a file must be left alone after a change before it is read: editors write in steps.
const settle = 300 * time.Millisecond

// watchConfig reloads the configuration when its file changes, if there is one, and on SIGHUP. It watches the folder: a
// file that is replaced takes its own watch with it. The function that it returns ends the watch.
func watchConfig(ctx context.Context, a *App) (stop func(), err error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	path := ""
	if a.process.ConfigPath != "" {
		if path, err = filepath.Abs(a.process.ConfigPath); err == nil {
			err = watcher.Add(filepath.Dir(path))
		}
		if err != nil {
			_ = watcher.Close()
			return nil, err
		}
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		defer signal.Stop(hangup)
		defer func() { _ = watcher.Close() }()
		r := reloader{app: a, path: path, begun: a.process.Config}
		r.run(ctx, watcher, hangup)
	}()
	return func() { cancel(); <-ended }, nil
}

// reloader puts new configurations into force.
type reloader struct {
	app    *App
	path   string
	begun  config.Config // what the process began with, and still runs on where a reload takes nothing over
	target string        // what the path means, through links
}

func (r *reloader) run(ctx context.Context, watcher *fsnotify.Watcher, hangup <-chan os.Signal) {
	r.target, _ = filepath.EvalSymlinks(r.path)
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			r.reload()
		case event := <-watcher.Events:
			if r.concerns(event) {
				due = time.After(settle)
			}
		case err := <-watcher.Errors:
			r.app.process.Log.WarnContext(ctx, "the watch on the configuration file stumbled", slog.Any("err", err))
		case <-due:
			due = nil
			r.reload()
		}
	}
}

// concerns reports whether the event changed the file: itself, or the link that it is, as in a mounted volume.
func (r *reloader) concerns(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod {
		return false
	}
	target, _ := filepath.EvalSymlinks(r.path)
	swapped := target != "" && target != r.target
	r.target = target
	return swapped || filepath.Clean(event.Name) == r.path
}

// reload reads the configuration whole and puts it into force in one step, or leaves all as it is.
func (r *reloader) reload() {
	log := r.app.process.Log
	next, warnings, err := r.load()
	var secrets Secrets
	if err == nil {
		secrets, err = LoadSecrets(next)
	}
	if err == nil {
		err = r.app.live.apply(next, secrets)
	}
	if err != nil {
		r.app.live.mistake.Store(new(err.Error()))
		log.Error("the configuration was not reloaded: the one before stays in force", slog.String("err", err.Error()))
		return
	}
	r.app.live.mistake.Store(nil)
	for _, w := range warnings {
		log.Warn("configuration: " + w.String()) //nolint:sloglint // the warning is the message
	}
	if secrets.AccessKeyAt != "" && r.begun.Server.AccessKey != "" {
		log.Warn("server.access_key was removed: the key in the data folder counts from now on", slog.String("file", secrets.AccessKeyAt))
	}
	for _, name := range needRestart(r.begun, next) {
		log.Warn("a change needs a restart", slog.String("key", name))
	}
	log.Info("the configuration was reloaded")
}

// load reads the configuration. An empty file, which at the start means the defaults, is one that is just being written:
// taken for a configuration, it would open what the operator has closed.
func (r *reloader) load() (config.Config, []config.Warning, error) {
	path := r.app.process.ConfigPath
	if info, err := os.Stat(path); path != "" && err == nil && info.Size() == 0 {
		return config.Config{}, nil, fmt.Errorf("%s: the file is empty", path)
	}
	return config.Load(path, os.LookupEnv)
}

// takenOver are the keys of server, auth and database that a reload puts into force.
var takenOver = map[string]bool{
	"server.access_key": true, "server.access_key_enabled": true,
	"auth.registration": true, "auth.password_policy": true, "auth.setup_token": true,
}

// needRestart names the keys in which two configurations differ and that are read at the start only.
func needRestart(begun, next config.Config) []string {
	var names []string
	for section, pair := range map[string][2]any{
		"server": {begun.Server, next.Server}, "auth": {begun.Auth, next.Auth}, "database": {begun.Database, next.Database},
	} {
		before, after := reflect.ValueOf(pair[0]), reflect.ValueOf(pair[1])
		for i := range before.NumField() {
			name := section + "." + before.Type().Field(i).Tag.Get("yaml")
			if !takenOver[name] && !reflect.DeepEqual(before.Field(i).Interface(), after.Field(i).Interface()) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
