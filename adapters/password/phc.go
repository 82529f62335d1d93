package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	saltLength   = 16 // bytes, as RFC 9106, section 3.1 recommends
	digestLength = 32 // bytes
	retryAfter   = time.Second
)

// errUnreadable says nothing of what was stored.
var errUnreadable = errors.New("a stored password has a form that this program does not know")

// params is how much work a hash is.
type params struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// Bounds of what is read back, so that a tampered row can't take the machine's memory or its day.
const (
	maxMemory = 1 << 20 // KiB
	maxPasses = 64
	maxLanes  = 64
)

func (p params) weakerThan(other params) bool {
	return p.memory < other.memory || p.passes < other.passes
}

// stored is a password in the PHC string format: $argon2id$v=19$m=19456,t=2,p=1$salt$digest.
type stored struct {
	params params
	salt   []byte
	digest []byte
}

func (s stored) String() string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", s.params.memory, s.params.passes, s.params.lanes,
		base64.RawStdEncoding.EncodeToString(s.salt), base64.RawStdEncoding.EncodeToString(s.digest))
}

func parsePHC(text string) (stored, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return stored{}, errUnreadable
	}
	var s stored
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &s.params.memory, &s.params.passes, &s.params.lanes); n != 3 || err != nil {
		return stored{}, errUnreadable
	}
	var err1, err2 error
	s.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	s.digest, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	p := s.params
	if err1 != nil || err2 != nil || len(s.salt) < 8 || len(s.digest) < 16 || len(s.digest) > 64 ||
		p.passes < 1 || p.passes > maxPasses || p.lanes < 1 || p.lanes > maxLanes || p.memory < 8*uint32(p.lanes) || p.memory > maxMemory {
		return stored{}, errUnreadable
	}
	if s.String() != text { // a field that this program does not know, or another spelling
		return stored{}, errUnreadable
	}
	return s, nil
}
