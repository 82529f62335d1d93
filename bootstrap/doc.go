// Package bootstrap turns a configuration into a running process. It alone knows all the parts, and what the commands do
// with them.
package bootstrap
