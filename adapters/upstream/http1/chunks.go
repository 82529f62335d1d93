package http1

import "math"

const (
	sizeLineLimit = 4 << 10  // bytes of a chunk's size with its extensions
	sizeDigits    = 16       // hexadecimal, leading zeros too
	excessLimit   = 16 << 10 // bytes by which the frame may outweigh the data
	trailerLimit  = 64 << 10 // bytes
)

const (
	errChunk        = malformed("the frame of its chunks is broken")
	errChunkSize    = malformed("a chunk's size is none, or beyond all")
	errChunkExcess  = malformed("its chunks have little in them but their frame")
	errTrailer      = malformed("its trailer is broken")
	errTrailerLimit = malformed("its trailer is too long")
)

// chunks takes the frame of a chunked body apart. It takes a byte at a time, so it makes no difference how they come.
type chunks struct {
	state   chunkState
	left    int64 // bytes of the chunk that are still to come
	digits  int   // of the size
	line    int   // bytes of the size's line
	excess  int64 // bytes of the frame that no data make up for
	trailer int   // bytes of the trailer
}

// chunkState is what comes next.
type chunkState uint8

const (
	inSize       chunkState = iota // a digit, or what follows the last one
	inSpace                        // spaces after the size, which some servers fill it up with
	inExtension                    // anything up to CR
	afterSize                      // LF
	inData                         // not the frame's business
	afterData                      // CR
	afterDataCR                    // LF
	inTrailer                      // the name of a field, or CR
	inName                         // the rest of the name
	inValue                        // anything up to CR
	afterValue                     // LF
	afterTrailer                   // LF
	afterAll                       // nothing
)

// frame takes what belongs to the frame from the beginning of b, up to the next data or to the end of the body, and
// returns how many bytes that were.
func (c *chunks) frame(b []byte) (int, error) {
	for i, next := range b {
		if c.state == inData || c.state == afterAll {
			return i, nil
		}
		if err := c.step(next); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func (c *chunks) step(b byte) error {
	switch c.state {
	case inSize, inSpace, inExtension, afterSize:
		if c.line++; c.line > sizeLineLimit {
			return errChunkSize
		}
		return c.stepSize(b)
	case afterData:
		return c.expect(b, '\r', afterDataCR)
	case afterDataCR:
		return c.expect(b, '\n', inSize)
	case inTrailer, inName, inValue, afterValue, afterTrailer:
		if c.trailer++; c.trailer > trailerLimit {
			return errTrailerLimit
		}
		return c.stepTrailer(b)
	case inData, afterAll:
	}
	return nil
}

func (c *chunks) expect(b, want byte, then chunkState) error {
	if b != want {
		return errChunk
	}
	c.state = then
	return nil
}

func (c *chunks) stepSize(b byte) error {
	switch {
	case c.state == afterSize:
		return c.sized(b)
	case c.state == inSize:
		if digit, ok := hexDigit(b); ok {
			if c.digits++; c.digits > sizeDigits || c.left > math.MaxInt64>>4 {
				return errChunkSize
			}
			c.left = c.left<<4 | digit
			return nil
		}
		if c.digits == 0 {
			return errChunkSize
		}
	case c.state == inExtension && b != '\r':
		if b == '\n' || b == 0 {
			return errChunk
		}
		return nil
	}
	switch b {
	case '\r':
		c.state = afterSize
	case ';':
		c.state = inExtension
	case ' ', '\t':
		c.state = inSpace
	default:
		return errChunkSize
	}
	return nil
}

// sized ends the line of a chunk's size. A frame that outweighs the data by far is refused: it keeps the reader busy, and
// gives it nothing.
func (c *chunks) sized(b byte) error {
	if b != '\n' {
		return errChunk
	}
	const usual = 16 // bytes of a frame that nobody minds, and as many again as twice the data
	c.excess += int64(c.line) - usual - 2*min(c.left, excessLimit)
	if c.excess = max(c.excess, 0); c.excess > excessLimit {
		return errChunkExcess
	}
	c.state = inData
	if c.left == 0 {
		c.state = inTrailer
	}
	c.digits, c.line = 0, 0
	return nil
}

// took says that n bytes of the data were read.
func (c *chunks) took(n int) {
	if c.left -= int64(n); c.left == 0 {
		c.state = afterData
	}
}

// stepTrailer drops the trailer, of which nothing goes to the client.
func (c *chunks) stepTrailer(b byte) error {
	switch c.state {
	case inTrailer, inName:
		switch {
		case c.state == inTrailer && b == '\r':
			c.state = afterTrailer
		case c.state == inName && b == ':':
			c.state = inValue
		case classes[b]&tokenChar != 0:
			c.state = inName
		default:
			return errTrailer
		}
	case inValue:
		switch b {
		case '\r':
			c.state = afterValue
		case '\n', 0:
			return errTrailer
		}
	case afterValue:
		return c.expect(b, '\n', inTrailer)
	case afterTrailer:
		return c.expect(b, '\n', afterAll)
	case inSize, inSpace, inExtension, afterSize, inData, afterData, afterDataCR, afterAll: // are no part of it
	}
	return nil
}

func hexDigit(b byte) (int64, bool) {
	switch {
	case '0' <= b && b <= '9':
		return int64(b - '0'), true
	case 'a' <= b && b <= 'f':
		return int64(b-'a') + 10, true
	case 'A' <= b && b <= 'F':
		return int64(b-'A') + 10, true
	}
	return 0, false
}
