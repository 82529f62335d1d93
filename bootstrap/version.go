package bootstrap

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// version and commit are set by the linker (-X monorelay/bootstrap.version=…).
var (
	version = ""
	commit  = ""
)

// Version returns the version of the program, and the commit that it was built from.
func Version() (string, string) {
	v, c := version, commit
	if info, ok := debug.ReadBuildInfo(); ok {
		if v == "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && c == "" {
				c = s.Value
			}
		}
	}
	if v == "" {
		v = "dev"
	}
	if c == "" {
		c = "unknown"
	}
	return v, c
}

func versionLine() string {
	v, c := Version()
	if strings.HasPrefix(c, v) { // a build between two versions
		return "monorelay " + v + " (" + runtime.Version() + ")"
	}
	return "monorelay " + v + " (commit " + c + ", " + runtime.Version() + ")"
}
