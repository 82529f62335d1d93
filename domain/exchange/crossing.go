package exchange

import "strings"

// What may cross is listed; all else stays. So no credential, cookie, address or hop-by-hop field ever crosses, whatever
// it is called, and nothing that a client sends can choose the organisation or the account that a provider's key is used
// for.
var (
	toProvider = [...]string{"Accept", "Content-Type", "Openai-Beta", "Anthropic-Version", "Anthropic-Beta"}
	toClient   = map[string]bool{
		"Content-Type": true, "Content-Encoding": true, "Content-Disposition": true, "Retry-After": true, "Retry-After-Ms": true,
		"X-Should-Retry": true,
	}
	toClientPrefix = []string{"Openai-", "Anthropic-", "X-Ratelimit-"}

	// organisation names the fields that tell whose account a provider's key belongs to.
	organisation = map[string]bool{"Openai-Organization": true, "Openai-Project": true, "Anthropic-Organization-Id": true}
)

// ForProvider returns the name under which a client's field of this canonical name goes to the provider, or nothing if it
// stays. It keeps nothing of name.
func ForProvider(name []byte) string {
	for _, crossing := range toProvider {
		if string(name) == crossing {
			return crossing
		}
	}
	return ""
}

// ForClient returns the name under which a provider's field of this canonical name goes to the client, or nothing if it
// stays. The provider's request id is renamed, since the answer has one of its own.
func ForClient(name string) string {
	if name == "X-Request-Id" || name == "Request-Id" {
		return "X-Upstream-Request-Id"
	}
	if organisation[name] {
		return ""
	}
	if toClient[name] {
		return name
	}
	for _, prefix := range toClientPrefix {
		if strings.HasPrefix(name, prefix) {
			return name
		}
	}
	return ""
}
