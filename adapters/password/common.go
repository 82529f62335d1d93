package password

import (
	_ "embed" // for the list
	"strings"
	"sync"
)

// commonList has the 10,000 commonest passwords, one a line, in the order of frequency. They are the first of the
// frequency list of zxcvbn 4.4.2 (Dropbox, MIT licence), which was counted over Mark Burnett's ten million passwords.
//
//go:embed common.txt
var commonList string

// The set is made when it is first asked for: most servers never do.
var common = sync.OnceValue(func() map[string]struct{} {
	set := make(map[string]struct{}, 10_000)
	for line := range strings.Lines(commonList) {
		set[strings.TrimSpace(line)] = struct{}{}
	}
	return set
})

// IsCommon reports whether the password, in lower case, is one of the 10,000 commonest.
func IsCommon(lower string) bool {
	_, found := common()[lower]
	return found
}
