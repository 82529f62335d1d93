// Package contract holds, for each port, the suite that every implementation must pass. A sentence of a port's contract
// has a subtest here.
package contract
