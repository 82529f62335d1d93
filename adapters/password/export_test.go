package password

// NewQuickHasher returns a hasher that is a fifth of the work, for tests that hash much: the race detector makes that of
// NewHasher slow.
func NewQuickHasher() (*Hasher, error) {
	return newHasher(params{memory: 4 << 10, passes: 2, lanes: 1})
}
