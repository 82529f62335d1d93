// Package fault classifies failures by what a caller can do about them. It is the only error vocabulary that
// crosses layers: adapters translate into it, use cases pass it on, and the edge turns it into a status once.
package fault

import (
	"errors"
	"time"
)

// Kind says what the caller can do; it is deliberately coarse.
type Kind uint8

// The zero value is Internal, so that an unclassified error is never shown.
const (
	Internal        Kind = iota
	Invalid              // mend the request
	Unauthenticated      // present a credential, or a better one
	Forbidden            // ask somebody with more rights
	NotFound             // name something that exists
	Conflict             // choose another name, or look at the present state first
	Limited              // wait, then try again
	Unavailable          // the service can't do it now; try again
	BadUpstream          // the provider failed; nothing is wrong with the request
	Timeout              // the provider took too long
	Canceled             // nobody waits for the answer any more
)

// Error is a failure that is safe to show. Its cause is for the log only.
type Error struct {
	Kind       Kind
	Code       string        // stable, for programs: "email_taken"
	Detail     string        // one sentence or two for a person; never holds a secret
	Param      string        // the field of the request that is at fault, if one is
	RetryAfter time.Duration // how long to wait, if waiting helps
	cause      error
}

// New returns an Error without a cause, to be kept in a package variable.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Because returns a copy of e that records why, without showing it.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// At returns a copy of e that names the field of the request at fault.
func (e *Error) At(param string) *Error {
	c := *e
	c.Param = param
	return &c
}

// After returns a copy of e that says how long to wait.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Saying returns a copy of e with another sentence for people. The code stays.
func (e *Error) Saying(detail string) *Error {
	c := *e
	c.Detail = detail
	return &c
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.cause.Error()
	}
	return e.Code
}

func (e *Error) Unwrap() error { return e.cause }

// Is matches by Code, so that errors.Is works on the copies that the methods make.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Of returns the outermost Error in err's chain, or nil if there is none.
func Of(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

// KindOf returns the kind of the outermost Error in err's chain, else Internal.
func KindOf(err error) Kind {
	if e := Of(err); e != nil {
		return e.Kind
	}
	return Internal
}
