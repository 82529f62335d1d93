package password_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/adapters/password"
	"monorelay/domain/account"
	"monorelay/ports"
	"monorelay/test/contract"
)

func TestHasher(t *testing.T) {
	t.Parallel()
	contract.PasswordHasher(t, func(t *testing.T) ports.PasswordHasher {
		t.Helper()
		h, err := password.NewQuickHasher()
		require.NoError(t, err)
		return h
	})
}

func TestHashIsAsStrongAsItSays(t *testing.T) {
	t.Parallel()
	h, err := password.NewHasher()
	require.NoError(t, err)
	hash, err := h.Hash(t.Context(), account.PresentedPassword("securepassword123"))
	require.NoError(t, err)
	assert.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, hash)
	match, weak, err := h.Verify(t.Context(), hash, account.PresentedPassword("securepassword123"))
	require.NoError(t, err)
	assert.True(t, match)
	assert.False(t, weak)

	quick, err := password.NewQuickHasher()
	require.NoError(t, err)
	hash, err = quick.Hash(t.Context(), account.PresentedPassword("securepassword123"))
	require.NoError(t, err)
	match, weak, err = h.Verify(t.Context(), hash, account.PresentedPassword("securepassword123"))
	require.NoError(t, err)
	assert.True(t, match)
	assert.True(t, weak)
}

func TestVerifyReadsTheFormsOfBefore(t *testing.T) {
	t.Parallel()
	h, err := password.NewHasher()
	require.NoError(t, err)
	tests := []struct{ name, hash string }{
		// hashlib.pbkdf2_hmac("sha256", b"securepassword123", b"000102030405060708090a0b0c0d0e0f", 100000).hex()
		{"PBKDF2 of the Python program", "000102030405060708090a0b0c0d0e0f" + "8283e5618b8968cc75d9044d4bd780d00d6c2438f37a6f2e6246f4760118e828"},
		// argon2 from the Debian package, with the salt saltsaltsalt1234 and -id -t 1 -k 8192 -p 1 -l 32
		{"argon2id with less memory", "$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHRzYWx0MTIzNA$rq7Qwrhi/oU2uGS0/wqePwdaxbLMMw67n3ev4iLxf2w"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			match, weak, err := h.Verify(t.Context(), tt.hash, account.PresentedPassword("securepassword123"))
			require.NoError(t, err)
			assert.True(t, match)
			assert.True(t, weak, "it is to be replaced")

			match, _, err = h.Verify(t.Context(), tt.hash, account.PresentedPassword("securepassword124"))
			require.NoError(t, err)
			assert.False(t, match)
		})
	}
}

func TestVerifyRefusesFormsThatItCannotBound(t *testing.T) {
	t.Parallel()
	h, err := password.NewHasher()
	require.NoError(t, err)
	for _, hash := range []string{
		"SSO:0011", "plain", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ", "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ",
		"$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ",
		"$argon2id$v=19$m=19456,t=0,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ",
		"$argon2id$v=19$m=19456,t=2,p=0$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ",
	} {
		_, _, err := h.Verify(t.Context(), hash, account.PresentedPassword("securepassword123"))
		require.Error(t, err, hash)
		assert.NotContains(t, err.Error(), hash)
	}
}

// It measures the memory of the whole process, and so runs before the tests that are parallel.
func TestOneHashRunsOnEachCore(t *testing.T) { //nolint:paralleltest // see above
	h, err := password.NewHasher()
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for range 6 * runtime.GOMAXPROCS(0) { // none of which is refused
		wg.Go(func() {
			_, err := h.Hash(t.Context(), account.PresentedPassword("securepassword123"))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	// Each that runs takes 19 MiB, and the garbage collector lets as much again lie about.
	const mib = 1 << 20
	assert.Less(t, (int64(after.HeapSys)-int64(before.HeapSys))/mib, int64(19*(2*runtime.GOMAXPROCS(0)+4)), "MiB")
}

func TestIsCommon(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"password", "12345678", "123456789", "qwertyuiop", "iloveyou", "baseball1", "trustno1"} {
		assert.True(t, password.IsCommon(p), p)
	}
	for _, p := range []string{"", " ", "\n", "password ", "Password", "securepassword123", "correct horse battery staple", "v9#kQ2!xTz7m", "пароль123"} {
		assert.False(t, password.IsCommon(p), p)
	}
}

func TestAPasswordIsTheSameFromEveryKeyboard(t *testing.T) {
	t.Parallel()
	normalize := password.NewNormalizer()
	h, err := password.NewQuickHasher()
	require.NoError(t, err)
	for composed, decomposed := range map[string]string{"é-password": "e\u0301-password", "Å-password": "A\u030a-password"} {
		require.NotEqual(t, composed, decomposed)
		assert.Equal(t, normalize(composed), normalize(decomposed))
		hash, err := h.Hash(t.Context(), account.PresentedPassword(normalize(composed)))
		require.NoError(t, err)
		match, _, err := h.Verify(t.Context(), hash, account.PresentedPassword(normalize(decomposed)))
		require.NoError(t, err)
		assert.True(t, match)
	}
	for _, same := range []string{"", "ascii", "ﬁ is no fi", "\xff\xfe", "a\x00b"} {
		assert.Equal(t, same, normalize(same), "%q", same)
	}
	assert.Equal(t, "Å", normalize("\u212b"), "the sign for the unit is the letter")
}
