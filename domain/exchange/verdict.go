package exchange

// Verdict is what a provider's status means for the call.
type Verdict uint8

// The verdicts.
const (
	Final       Verdict = iota // the answer is the client's
	RejectedKey                // the provider refuses our key: a word on us, never on the client
	TryNext                    // another provider may do better; if there is none, the answer is the client's
	Redirected                 // a redirect, which is never followed
)

// Judge returns what the status means.
func Judge(status int) Verdict {
	switch {
	case status == 401, status == 402, status == 403:
		return RejectedKey
	case status == 408, status == 429, status >= 500:
		return TryNext
	case status >= 300 && status < 400:
		return Redirected
	}
	return Final
}
