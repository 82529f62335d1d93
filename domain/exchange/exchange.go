// Package exchange describes one relayed request and its answer on their way: which endpoint it is for, and which header
// fields may cross in which direction.
package exchange

// Endpoint is one call of the provider's API. Path follows the provider's base URL.
type Endpoint struct {
	Method string
	Path   string
}

// The endpoints that are relayed.
var (
	ChatCompletions = Endpoint{Method: "POST", Path: "/chat/completions"}
	Models          = Endpoint{Method: "GET", Path: "/models"}
)

// Field is one header field. Name is in canonical form, such as Content-Type.
type Field struct{ Name, Value string }

// Header is a list of fields in the order in which they came.
type Header []Field

// Get returns the value of the first field with this canonical name, or nothing.
func (h Header) Get(name string) string {
	for _, f := range h {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
