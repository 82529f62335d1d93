package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"monorelay/domain/exchange"
	"monorelay/domain/provider"
	"monorelay/ports"
	"monorelay/test/fixture"
)

// Script tells a provider under test how to answer one call.
type Script = fixture.Script

const (
	promptly = time.Second            // in which the end of an exchange reaches the provider
	silence  = 250 * time.Millisecond // the Timeout of a provider that falls silent
	slack    = 2 * time.Second        // by which a loaded machine may be late
)

// Upstream exercises a ports.Upstream. open must return one without connections, and a provider that follows the script
// and has a Timeout of more than ten seconds.
func Upstream(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider)) {
	t.Helper()
	receivingHeads(t, open)
	receivingNoAnswer(t, open)
	receivingBodies(t, open)
	breakingOff(t, open)
	losingPatience(t, open)
	endingCalls(t, open)
	sendingOnce(t, open)
	callingAtOnce(t, open)
}

func receivingHeads(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider)) {
	t.Helper()

	t.Run("Call returns as soon as the head of the answer is known", func(t *testing.T) {
		t.Parallel()
		returned := make(chan struct{})
		c := newCaller(t, open, func(x *fixture.Exchange) {
			x.Send(fixture.Head(200, "Content-Length: 2"))
			<-returned
			x.Send("ok")
		})
		reply := c.call()
		close(returned)
		assert.Equal(t, 200, reply.Status)
		assert.EqualValues(t, 2, reply.Length)
		assert.Equal(t, "ok", c.whole(reply))
	})

	t.Run("Call passes over interim answers", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, func(x *fixture.Exchange) {
			x.Send(fixture.Head(100) + fixture.Head(103, "Link: </x>") + fixture.JSON(201, "{}"))
		})
		reply := c.call()
		assert.Equal(t, 201, reply.Status)
		assert.Equal(t, "{}", c.whole(reply))
	})

	for _, status := range []int{400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 429, 500, 502, 503, 504, 529} {
		t.Run(fmt.Sprintf("a refusal by the provider is a Reply, status %d", status), func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, open, func(x *fixture.Exchange) { x.Send(fixture.JSON(status, `{"error":{}}`, "Retry-After: 7")) })
			reply := c.call()
			assert.Equal(t, status, reply.Status)
			assert.Equal(t, "7", reply.Header.Get("Retry-After"))
			assert.JSONEq(t, `{"error":{}}`, c.whole(reply))
		})
	}

	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		t.Run(fmt.Sprintf("a redirect is a Reply and is never followed, status %d", status), func(t *testing.T) {
			t.Parallel()
			canary := fixture.NewUpstream(t)
			for _, location := range []string{canary.URL + "/chat/completions", strings.TrimPrefix(canary.URL, "http:"), "/elsewhere", "file:///etc/passwd", "http://[::1"} {
				var calls atomic.Int32
				c := newCaller(t, open, func(x *fixture.Exchange) {
					calls.Add(1)
					x.Send(fixture.Head(status, "Location: "+location, "Content-Length: 0"))
				})
				reply := c.call()
				assert.Equal(t, status, reply.Status)
				assert.Empty(t, c.whole(reply))
				assert.EqualValues(t, 1, calls.Load(), location)
			}
			assert.Zero(t, canary.Connections())
		})
	}
}

func receivingNoAnswer(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider)) {
	t.Helper()

	t.Run("a provider where nothing listens is ErrUnreachable", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, nil)
		c.provider.Base.Host = fixture.DeadAddress(t)
		require.ErrorIs(t, c.failure(), ports.ErrUnreachable)
	})

	for name, answer := range map[string]string{
		"another protocol":            "SSH-2.0-OpenSSH_9.9\r\n",
		"binary":                      "\x00\x01\x02\xff\xfe\r\n\r\n",
		"no line":                     "pong",
		"an empty line":               "\r\n\r\n",
		"a status of letters":         "HTTP/1.1 abc OK\r\n\r\n",
		"a status of four digits":     "HTTP/1.1 2000 OK\r\n\r\n",
		"a status below all":          "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
		"a negative status":           "HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n",
		"another protocol of no call": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"a field without a colon":     "HTTP/1.1 200 OK\r\nbroken\r\n\r\n",
		"a field without a name":      "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
		"two lengths":                 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"a length of letters":         "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"a negative length":           "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"an empty length":             "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"an unknown coding":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"two codings":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run("an answer that is no HTTP is ErrBadAnswer: "+name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, open, func(x *fixture.Exchange) {
				x.Send(answer)
				x.Cut()
			})
			require.ErrorIs(t, c.failure(), ports.ErrBadAnswer)
		})
	}

	for name, endless := range map[string][2]string{
		"fields":          {"HTTP/1.1 200 OK\r\n", "X-Fill: " + strings.Repeat("x", 1<<10) + "\r\n"},
		"one field":       {"HTTP/1.1 200 OK\r\nX-Fill: ", strings.Repeat("x", 1<<10)},
		"the first line":  {"HTTP/1.1 200 ", strings.Repeat("x", 1<<10)},
		"interim answers": {"", "HTTP/1.1 103 Early Hints\r\nX-Fill: " + strings.Repeat("x", 1<<10) + "\r\n\r\n"},
	} {
		t.Run("an answer whose head does not end is ErrBadAnswer, and little of it is read: "+name, func(t *testing.T) {
			t.Parallel()
			sent := make(chan int64, 1)
			c := newCaller(t, open, func(x *fixture.Exchange) {
				for more := x.Send(endless[0]); more && x.Sent() < 64<<20; {
					more = x.Send(endless[1])
				}
				sent <- x.Sent()
			})
			require.ErrorIs(t, c.failure(), ports.ErrBadAnswer)
			assert.Less(t, <-sent, int64(16<<20), "most of it waits in the sockets' buffers")
		})
	}

	for name, answer := range map[string]string{
		"before it": "", "in the first line": "HTTP/1.1 20", "in the head": "HTTP/1.1 200 OK\r\nContent-Le", "before the empty line": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
	} {
		for how, end := range ends() {
			t.Run("an answer whose head does not come is an error of the port: the connection ends "+name+", with "+how, func(t *testing.T) {
				t.Parallel()
				c := newCaller(t, open, func(x *fixture.Exchange) {
					x.Send(answer)
					end(x)
				})
				err := c.failure()
				assert.True(t, errors.Is(err, ports.ErrUnreachable) || errors.Is(err, ports.ErrBadAnswer), "%v", err)
			})
		}
	}
}

func receivingBodies(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider)) {
	t.Helper()

	t.Run("Read gives what has arrived and waits for no more", func(t *testing.T) {
		t.Parallel()
		for _, head := range []string{fixture.StreamHead(), fixture.OpenStreamHead(), fixture.Head(200, "Content-Length: 1000")} {
			read := make(chan struct{})
			c := newCaller(t, open, func(x *fixture.Exchange) {
				x.Send(head)
				for range 3 {
					part := strings.Repeat("x", 100)
					if strings.Contains(head, "chunked") {
						part = fixture.Chunk(part)
					}
					x.Send(part)
					select {
					case <-read:
					case <-x.Gone():
					}
				}
			})
			reply := c.call()
			buffer := make([]byte, 64<<10)
			for range 3 {
				for got := 0; got < 100; { // the rest comes only when this is read
					n, err := reply.Body.Read(buffer)
					require.NoError(t, err)
					got += n
				}
				read <- struct{}{}
			}
		}
	})

	for name, tt := range map[string]struct {
		answer    string
		body      string
		length    int64
		openEnded bool
	}{
		"a length":                    {fixture.JSON(200, "{}"), "{}", 2, false},
		"a length and a close":        {fixture.JSON(200, "{}", "Connection: close"), "{}", 2, false},
		"no bytes":                    {fixture.JSON(200, ""), "", 0, false},
		"one length twice":            {fixture.JSON(200, "{}", "Content-Length: 2"), "{}", 2, false},
		"chunks":                      {fixture.Stream("a", "b"), "data: a\n\ndata: b\n\n", -1, false},
		"chunks and a close":          {fixture.StreamHead("Connection: close") + fixture.Chunk("a") + fixture.LastChunk, "a", -1, false},
		"chunks and a length":         {fixture.StreamHead("Content-Length: 5") + fixture.Chunk("a") + fixture.LastChunk, "a", -1, false},
		"chunks and a trailer":        {fixture.StreamHead("Trailer: X-Sum") + fixture.Chunk("a") + "0\r\nX-Sum: 1\r\n\r\n", "a", -1, false},
		"the close alone":             {fixture.OpenStreamHead() + "a", "a", -1, true},
		"the close alone, unsaid":     {"HTTP/1.1 200 OK\r\n\r\na", "a", -1, true},
		"the close alone of HTTP/1.0": {"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\na", "a", -1, true},
		"a length of HTTP/1.0":        {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "a", 1, false},
		"no body, by its status":      {fixture.Head(204), "", 0, false},
	} {
		t.Run("OpenEnded and Length say how the end of the body shows: "+name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, open, func(x *fixture.Exchange) {
				x.Send(tt.answer)
				x.Cut()
			})
			reply := c.call()
			assert.Equal(t, tt.openEnded, reply.OpenEnded)
			assert.Equal(t, tt.length, reply.Length)
			assert.Equal(t, tt.body, c.whole(reply))
		})
	}

	t.Run("a body is passed to the byte, whatever is in it", func(t *testing.T) {
		t.Parallel()
		pattern := make([]byte, 0, 255)
		for b := range byte(255) {
			pattern = append(pattern, b)
		}
		every := strings.Repeat(string(pattern), 5<<20/len(pattern)+1)
		for _, length := range []int{1, 4095, 4096, 4097, 32 << 10, 5 << 20} {
			body := every[:length]
			c := newCaller(t, open, func(x *fixture.Exchange) { x.Send(fixture.JSON(200, body)) })
			assert.True(t, body == c.whole(c.call()), "%d bytes", length) //nolint:testifylint // megabytes
		}
	})
}

func breakingOff(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider)) {
	t.Helper()
	for name, tt := range map[string]struct{ head, sent, body string }{
		"of a length, before it":              {fixture.Head(200, "Content-Length: 10"), "", ""},
		"of a length, in it":                  {fixture.Head(200, "Content-Length: 10"), "012345678", "012345678"},
		"of chunks, before the first":         {fixture.StreamHead(), "", ""},
		"of chunks, in a chunk":               {fixture.StreamHead(), fixture.Chunk("0123") + "5\r\n456", "0123456"},
		"of chunks, before a chunk's end":     {fixture.StreamHead(), fixture.Chunk("0123") + "3\r\n456", "0123456"},
		"of chunks, in a size":                {fixture.StreamHead(), fixture.Chunk("0123") + "1", "0123"},
		"of chunks, between two":              {fixture.StreamHead(), fixture.Chunk("0123") + fixture.Chunk("456"), "0123456"},
		"of chunks, after a long one":         {fixture.StreamHead(), fixture.Chunk(strings.Repeat("0", 100<<10)), strings.Repeat("0", 100<<10)},
		"of chunks, with nonsense for a size": {fixture.StreamHead(), fixture.Chunk("0123") + "xyz\r\n\r\n", "0123"},
		"of chunks, with a size beyond all":   {fixture.StreamHead(), fixture.Chunk("0123") + "fffffffffffffffff\r\n\r\n", "0123"},
	} {
		for how, end := range ends() {
			t.Run("a body that breaks off ends in ErrUnexpectedEOF, after all that came: "+name+", with "+how, func(t *testing.T) {
				t.Parallel()
				read := make(chan struct{})
				c := newCaller(t, open, func(x *fixture.Exchange) {
					x.Send(tt.head + tt.sent)
					select { // what was not read yet may be lost with RST
					case <-read:
					case <-x.Gone(): // the client had enough of the nonsense
					}
					end(x)
				})
				reply := c.call()
				got := make([]byte, len(tt.body))
				_, err := io.ReadFull(reply.Body, got)
				require.NoError(t, err)
				assert.Equal(t, tt.body, string(got))
				close(read)
				rest, err := io.ReadAll(reply.Body)
				assert.Empty(t, rest)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				_, err = reply.Body.Read(make([]byte, 1))
				require.Error(t, err, "it stays broken off")
				require.NotErrorIs(t, err, io.EOF)
			})
		}
	}

	t.Run("a body that breaks off at once ends in ErrUnexpectedEOF, after all that came", func(t *testing.T) {
		t.Parallel()
		for _, chunks := range []string{fixture.Chunk("0123"), fixture.Chunk("01") + "4\r\n23", fixture.Chunk("0123") + "0\r\n", fixture.Chunk("0123") + "0\r\nX-Sum: 1\r\n"} {
			c := newCaller(t, open, func(x *fixture.Exchange) {
				x.Send(fixture.StreamHead() + chunks)
				x.Cut()
			})
			got, err := io.ReadAll(c.call().Body)
			assert.Equal(t, "0123", string(got), "%q", chunks)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", chunks)
		}
	})

	t.Run("a body that only the close would end, and that a reset ends, ends in ErrUnexpectedEOF", func(t *testing.T) {
		t.Parallel()
		read := make(chan struct{})
		c := newCaller(t, open, func(x *fixture.Exchange) {
			x.Send(fixture.OpenStreamHead() + "0123")
			<-read
			x.Reset()
		})
		reply := c.call()
		_, err := io.ReadFull(reply.Body, make([]byte, 4))
		require.NoError(t, err)
		close(read)
		_, err = io.ReadAll(reply.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

func losingPatience(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider)) {
	t.Helper()

	for name, head := range map[string]string{"nothing": "", "half a head": "HTTP/1.1 200 OK\r\nContent-"} {
		t.Run("a provider that falls silent before its answer is ErrUpstreamSlow, and left: after "+name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			c := newCaller(t, open, func(x *fixture.Exchange) {
				x.Send(head)
				x.Hang()
				close(gone)
			})
			c.provider.Timeout = silence
			start := time.Now()
			require.ErrorIs(t, c.failure(), ports.ErrUpstreamSlow)
			assert.WithinRange(t, time.Now(), start.Add(silence), start.Add(silence+slack))
			soon(t, gone, "the provider is left")
		})
	}

	for name, head := range map[string]string{"chunks": fixture.StreamHead() + fixture.Chunk("0123"), "a length": fixture.Head(200, "Content-Length: 10") + "0123", "the close alone": fixture.OpenStreamHead() + "0123"} {
		t.Run("a body that falls silent ends in ErrUpstreamSlow, after all that came, and the provider is left: "+name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			c := newCaller(t, open, func(x *fixture.Exchange) {
				x.Send(head)
				x.Hang()
				close(gone)
			})
			c.provider.Timeout = silence
			reply := c.call()
			start := time.Now()
			got, err := io.ReadAll(reply.Body)
			assert.Equal(t, "0123", string(got))
			require.ErrorIs(t, err, ports.ErrUpstreamSlow)
			assert.Less(t, time.Since(start), silence+slack)
			soon(t, gone, "the provider is left")
			_, err = reply.Body.Read(make([]byte, 1))
			require.ErrorIs(t, err, ports.ErrUpstreamSlow, "it stays so")
		})
	}

	t.Run("a provider that sends a little at a time is not given up", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, func(x *fixture.Exchange) {
			x.Send(fixture.StreamHead())
			for range 10 {
				x.Pause(100 * time.Millisecond)
				x.Send(fixture.Chunk("0"))
			}
			x.Send(fixture.LastChunk)
		})
		c.provider.Timeout = 700 * time.Millisecond
		assert.Equal(t, "0000000000", c.whole(c.call()))
	})

	t.Run("a reader that is slow is not taken for a provider that is silent", func(t *testing.T) {
		t.Parallel()
		body := strings.Repeat("0", 16<<20) // more than waits in the sockets' buffers
		c := newCaller(t, open, func(x *fixture.Exchange) { x.Send(fixture.JSON(200, body)) })
		c.provider.Timeout = 500 * time.Millisecond
		reply := c.call()
		time.Sleep(700 * time.Millisecond)
		_, err := reply.Body.Read(make([]byte, 1))
		require.NoError(t, err)
		time.Sleep(700 * time.Millisecond)
		got, err := io.ReadAll(reply.Body)
		require.NoError(t, err)
		assert.Len(t, got, len(body)-1)
	})
}

func endingCalls(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider)) {
	t.Helper()

	t.Run("the end of ctx before the call is ErrCallEnded", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, nil)
		c.cancel()
		require.ErrorIs(t, c.failure(), ports.ErrCallEnded)
	})

	t.Run("the end of ctx before the head is ErrCallEnded and closes the connection at once", func(t *testing.T) {
		t.Parallel()
		var c *caller
		gone := make(chan struct{})
		c = newCaller(t, open, func(x *fixture.Exchange) {
			c.cancel()
			x.Hang()
			close(gone)
		})
		require.ErrorIs(t, c.failure(), ports.ErrCallEnded)
		soon(t, gone, "the connection is closed")
	})

	for name, leave := range map[string]func(*caller, ports.Reply){
		"the end of ctx": func(c *caller, _ ports.Reply) { c.cancel() },
		"Close":          func(_ *caller, reply ports.Reply) { _ = reply.Body.Close() },
	} {
		for which, head := range map[string]string{"chunks": fixture.StreamHead() + fixture.Chunk("0123"), "a length": fixture.Head(200, "Content-Length: 10") + "0123", "the close alone": fixture.OpenStreamHead() + "0123"} {
			t.Run(name+" while nobody reads the body closes the connection at once: "+which, func(t *testing.T) {
				t.Parallel()
				gone := make(chan struct{})
				c := newCaller(t, open, func(x *fixture.Exchange) {
					x.Send(head)
					x.Hang()
					close(gone)
				})
				reply := c.call()
				_, err := io.ReadFull(reply.Body, make([]byte, 2))
				require.NoError(t, err)
				leave(c, reply)
				soon(t, gone, "the connection is closed")
			})

			t.Run(name+" while Read waits ends Read and closes the connection at once: "+which, func(t *testing.T) {
				t.Parallel()
				gone := make(chan struct{})
				c := newCaller(t, open, func(x *fixture.Exchange) {
					x.Send(head)
					x.Hang()
					close(gone)
				})
				reply := c.call()
				_, err := io.ReadFull(reply.Body, make([]byte, 4))
				require.NoError(t, err)
				ended := make(chan error)
				go func() {
					_, err := reply.Body.Read(make([]byte, 1))
					ended <- err
				}()
				time.Sleep(20 * time.Millisecond) // so that it waits, or nearly always
				leave(c, reply)
				soon(t, gone, "the connection is closed")
				select {
				case err = <-ended:
					require.Error(t, err)
					require.NotErrorIs(t, err, io.EOF)
				case <-time.After(promptly):
					require.Fail(t, "Read still waits")
				}
			})
		}

		t.Run(name+" ends an answer that pours in", func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			c := newCaller(t, open, func(x *fixture.Exchange) {
				for more := x.Send(fixture.StreamHead()); more; {
					more = x.Send(fixture.Chunk(strings.Repeat("0", 10<<10)))
				}
				close(gone)
			})
			reply := c.call()
			_, err := io.ReadFull(reply.Body, make([]byte, 1<<20))
			require.NoError(t, err)
			leave(c, reply)
			soon(t, gone, "the connection is closed")
		})
	}

	t.Run("a body that ctx ended is not whole", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, func(x *fixture.Exchange) {
			x.Send(fixture.OpenStreamHead() + "0123")
			x.Hang()
		})
		reply := c.call()
		_, err := io.ReadFull(reply.Body, make([]byte, 4))
		require.NoError(t, err)
		c.cancel()
		_, err = io.ReadAll(reply.Body)
		require.Error(t, err)
	})

	t.Run("Close may be called twice, also after the end of the body", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, func(x *fixture.Exchange) { x.Send(fixture.JSON(200, "{}")) })
		reply := c.call()
		assert.Equal(t, "{}", c.whole(reply))
		require.NoError(t, reply.Body.Close())
		require.NoError(t, reply.Body.Close())

		reply = c.call()
		require.NoError(t, reply.Body.Close())
		require.NoError(t, reply.Body.Close())
		_, err := reply.Body.Read(make([]byte, 1))
		require.Error(t, err)
	})
}

func sendingOnce(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider)) {
	t.Helper()
	for name, answer := range map[string]string{"before its answer": "", "in the head of its answer": "HTTP/1.1 200 OK\r\nContent-"} {
		for how, end := range ends() {
			for which, header := range map[string]exchange.Header{
				"":                         nil,
				", with Idempotency-Key":   {{Name: "Idempotency-Key", Value: "1"}},
				", with X-Idempotency-Key": {{Name: "X-Idempotency-Key", Value: "1"}},
			} {
				for _, nth := range []int{0, 1} {
					t.Run(fmt.Sprintf("a call is never sent twice: the provider closes connection %s with %s, after %d others%s", name, how, nth, which), func(t *testing.T) {
						t.Parallel()
						var calls, reused atomic.Int32
						c := newCaller(t, open, func(x *fixture.Exchange) {
							if int(calls.Add(1)) <= nth {
								x.Send(fixture.JSON(200, "{}"))
								return
							}
							reused.Store(int32(x.Nth))
							x.Send(answer)
							end(x)
						})
						c.header = header
						for range nth {
							c.whole(c.call())
						}
						err := c.failure()
						assert.True(t, errors.Is(err, ports.ErrUnreachable) || errors.Is(err, ports.ErrBadAnswer), "%v", err)
						assert.EqualValues(t, nth+1, calls.Load())
						assert.EqualValues(t, nth, reused.Load(), "the connection was not used again: the test shows nothing")
					})
				}
			}
		}
	}

	t.Run("a call after the provider closed the connection that was used before is sent on another one", func(t *testing.T) {
		t.Parallel()
		closed := make(chan struct{}, 1)
		c := newCaller(t, open, func(x *fixture.Exchange) {
			x.Send(fixture.JSON(200, "{}"))
			x.Cut()
			closed <- struct{}{}
		})
		for range 5 {
			c.whole(c.call())
			<-closed
			time.Sleep(10 * time.Millisecond) // the close arrives
		}
	})

	t.Run("what an answer left unread is never part of the next one", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, func(x *fixture.Exchange) { x.Send(fixture.JSON(200, strings.Repeat(x.Body, 1000))) })
		for i := range 20 {
			c.body = fmt.Appendf(nil, "%02d", i)
			reply := c.call()
			got := make([]byte, 100)
			_, err := io.ReadFull(reply.Body, got)
			require.NoError(t, err)
			assert.Equal(t, strings.Repeat(string(c.body), 50), string(got))
			require.NoError(t, reply.Body.Close())
		}
	})

	t.Run("what a provider sends beyond its answer is never part of the next one", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, func(x *fixture.Exchange) {
			x.Send(fixture.JSON(200, x.Body) + fixture.JSON(200, "stowaway"))
		})
		for i := range 20 {
			c.body = fmt.Append(nil, i)
			reply, err := c.try(c.body)
			if err != nil {
				continue // it came on a connection that the stowaway spoilt
			}
			assert.Equal(t, string(c.body), c.whole(reply))
			time.Sleep(time.Millisecond)
		}
	})
}

func callingAtOnce(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider)) {
	t.Helper()

	t.Run("the bodies of many concurrent calls are never mixed", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, func(x *fixture.Exchange) {
			x.Send(fixture.StreamHead())
			for range 200 {
				x.Send(fixture.Chunk(x.Body))
			}
			x.Send(fixture.LastChunk)
		})
		concurrently(50, func(i int) {
			for round := range 3 {
				body := fmt.Sprintf("<%d of round %d>", i, round)
				if got, err := c.ask([]byte(body)); assert.NoError(t, err) {
					assert.Equal(t, strings.Repeat(body, 200), got)
				}
			}
		})
	})

	t.Run("the body of a call is only read", func(t *testing.T) {
		t.Parallel()
		c := newCaller(t, open, func(x *fixture.Exchange) { x.Send(fixture.JSON(200, x.Body)) })
		c.body = []byte(strings.Repeat("0123456789", 10_000))
		concurrently(10, func(int) { // one body for all: the race detector sees who writes
			if got, err := c.ask(c.body); assert.NoError(t, err) {
				assert.Len(t, got, len(c.body))
			}
		})
		assert.Equal(t, strings.Repeat("0123456789", 10_000), string(c.body))
	})
}

// ends are the ways in which a connection breaks off.
func ends() map[string]func(*fixture.Exchange) {
	return map[string]func(*fixture.Exchange){"FIN": (*fixture.Exchange).Cut, "RST": (*fixture.Exchange).Reset}
}

// caller makes calls to one provider.
type caller struct {
	t        *testing.T
	ctx      context.Context
	cancel   context.CancelFunc
	upstream ports.Upstream
	provider *provider.Provider // a copy, which may be changed
	header   exchange.Header
	body     []byte
}

func newCaller(t *testing.T, open func(*testing.T, Script) (ports.Upstream, *provider.Provider), script Script) *caller {
	t.Helper()
	if script == nil {
		script = func(x *fixture.Exchange) { x.Send(fixture.JSON(200, "{}")) }
	}
	upstream, p := open(t, script)
	copied := *p
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // nothing hangs
	t.Cleanup(cancel)
	return &caller{t: t, ctx: ctx, cancel: cancel, upstream: upstream, provider: &copied, body: []byte(`{"model":"m"}`)}
}

func (c *caller) try(body []byte) (ports.Reply, error) {
	return c.upstream.Call(c.ctx, ports.Call{Provider: c.provider, Endpoint: exchange.ChatCompletions, Header: c.header, Body: body})
}

// ask makes a call and reads its answer, on any goroutine.
func (c *caller) ask(body []byte) (string, error) {
	reply, err := c.try(body)
	if err != nil {
		return "", err
	}
	got, err := io.ReadAll(reply.Body)
	return string(got), errors.Join(err, reply.Body.Close())
}

// call makes a call that has an answer.
func (c *caller) call() ports.Reply {
	c.t.Helper()
	reply, err := c.try(c.body)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = reply.Body.Close() })
	return reply
}

// failure makes a call that has no answer.
func (c *caller) failure() error {
	c.t.Helper()
	reply, err := c.try(c.body)
	if err == nil {
		_ = reply.Body.Close()
		require.FailNow(c.t, "an answer came", "status %d", reply.Status)
	}
	assert.Nil(c.t, reply.Body)
	return err
}

// whole reads a body to its proper end.
func (c *caller) whole(reply ports.Reply) string {
	c.t.Helper()
	got, err := io.ReadAll(reply.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, reply.Body.Close())
	return string(got)
}

// soon waits for what must be so in a second.
func soon(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(promptly):
		require.Fail(t, "after a second, this is not so: "+what)
	}
}
