package rest

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// failing is a listener whose Accept fails a few times first.
type failing struct {
	net.Listener
	errs []error
}

func (l *failing) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	return l.Listener.Accept()
}

func newListener(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func TestTheListenerOutlivesExhaustion(t *testing.T) {
	t.Parallel()
	ln := newListener(t)
	wrapped := func(errno syscall.Errno) error {
		return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
	}
	guarded := &guardedListener{log: slog.New(slog.DiscardHandler), Listener: &failing{Listener: ln, errs: []error{
		wrapped(syscall.EMFILE), wrapped(syscall.ENFILE), wrapped(syscall.ECONNABORTED), wrapped(syscall.ENOBUFS),
	}}}
	client, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	conn, err := guarded.Accept()
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

func TestTheListenerEndsWithItsSocket(t *testing.T) {
	t.Parallel()
	ln := newListener(t)
	require.NoError(t, ln.Close())
	_, err := (&guardedListener{log: slog.New(slog.DiscardHandler), Listener: ln}).Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = (&guardedListener{log: slog.New(slog.DiscardHandler), Listener: &failing{errs: []error{errors.New("broken")}}}).Accept()
	require.EqualError(t, err, "broken")
}

func TestTheListenerClosesWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	ln := newListener(t)
	guarded := &guardedListener{log: slog.New(slog.DiscardHandler), Listener: ln, limit: 2}
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			conn, err := guarded.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	dial()
	first, second := <-accepted, <-accepted

	third := dial()
	require.NoError(t, third.SetReadDeadline(time.Now().Add(time.Second)))
	_, err := third.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the third is closed at once, and not left waiting")
	require.True(t, errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET), err)

	require.NoError(t, first.Close())
	_ = first.Close() // closing twice gives one place back
	dial()
	fourth := <-accepted
	dial()
	select {
	case <-accepted:
		require.Fail(t, "one place was given back, and two were taken")
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, errors.Join(second.Close(), fourth.Close()))
}
