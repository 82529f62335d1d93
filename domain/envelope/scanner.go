package envelope

import (
	"encoding/binary"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner checks the grammar of RFC 8259 in one pass, without recursion and without allocation but for deep nesting.
type scanner struct {
	b []byte
	i int
}

// document reads the whole of b as one object and returns where the values of the known fields stand.
func (s *scanner) document() (values [fields]span, err error) {
	s.space()
	if s.i == len(s.b) {
		return values, ErrBadJSON.Saying("The body is empty. Send a JSON object.")
	}
	if len(s.b) >= 3 && string(s.b[:3]) == "\xef\xbb\xbf" {
		return values, ErrBadJSON.Saying("The body begins with a byte order mark. Send JSON without one.")
	}
	if s.b[s.i] != '{' {
		return values, ErrBadJSON.Saying("The body must be a JSON object.")
	}
	s.i++
	s.space()
	if s.next('}') {
		return values, s.end()
	}
	for {
		start := s.i
		if !s.string() {
			return values, s.unexpected()
		}
		f, err := fieldOf(s.b[start:s.i])
		if err != nil {
			return values, err
		}
		s.space()
		if !s.next(':') {
			return values, s.unexpected()
		}
		s.space()
		start = s.i
		if err := s.value(); err != nil {
			return values, err
		}
		if f != other {
			if values[f].end != 0 {
				return values, ErrAmbiguous.At(fieldNames[f])
			}
			values[f] = span{start, s.i}
		}
		s.space()
		if s.next('}') {
			return values, s.end()
		}
		if !s.next(',') {
			return values, s.unexpected()
		}
		s.space()
	}
}

// end checks that nothing but white space follows.
func (s *scanner) end() error {
	s.space()
	if s.i < len(s.b) {
		return ErrBadJSON.Saying("Something follows the JSON object in the body, at byte " + strconv.Itoa(s.i) + ".")
	}
	return nil
}

func (s *scanner) unexpected() error {
	if s.i >= len(s.b) {
		return ErrBadJSON.Saying("The body ends in the middle of the JSON.")
	}
	return ErrBadJSON.Saying("The body is not valid JSON: byte " + strconv.Itoa(s.i) + " does not belong there.")
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\r' || s.b[s.i] == '\t') {
		s.i++
	}
}

func (s *scanner) next(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// value reads one value of any kind. What it is inside of, object or array, is kept as one bit a level.
func (s *scanner) value() error {
	var first [4]uint64 // levels beyond 256 go to the heap
	objects, depth := first[:], 0
	for {
		// A value stands at i.
		if s.i >= len(s.b) {
			return s.unexpected()
		}
		c := s.b[s.i]
		if c == '{' || c == '[' {
			s.i++
			if depth++; depth >= maxDepth {
				return ErrBadJSON.Saying("The body nests over " + strconv.Itoa(maxDepth) + " levels deep.")
			}
			if depth/64 >= len(objects) {
				objects = append(objects, 0)
			}
			s.space()
			if c == '{' {
				objects[depth/64] |= 1 << (depth % 64)
				if !s.next('}') {
					if !s.key() {
						return s.unexpected()
					}
					continue
				}
			} else {
				objects[depth/64] &^= 1 << (depth % 64)
				if !s.next(']') {
					continue
				}
			}
			depth--
		} else if !s.scalar(c) {
			return s.unexpected()
		}
		// A value is behind i: go on to the next one, through as many closing brackets as there are.
		for {
			if depth == 0 {
				return nil
			}
			s.space()
			inObject := objects[depth/64]&(1<<(depth%64)) != 0
			if s.next(',') {
				s.space()
				if inObject && !s.key() {
					return s.unexpected()
				}
				break
			}
			if inObject && !s.next('}') || !inObject && !s.next(']') {
				return s.unexpected()
			}
			depth--
		}
	}
}

// key reads a key, its colon and the space around it.
func (s *scanner) key() bool {
	if !s.string() {
		return false
	}
	s.space()
	if !s.next(':') {
		return false
	}
	s.space()
	return true
}

func (s *scanner) scalar(c byte) bool {
	switch c {
	case '"':
		return s.string()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *scanner) literal(want string) bool {
	for k := range len(want) {
		if !s.next(want[k]) {
			return false
		}
	}
	return true
}

func (s *scanner) number() bool {
	s.next('-')
	if !s.next('0') && !s.digits() {
		return false
	}
	if s.next('.') && !s.digits() {
		return false
	}
	if s.next('e') || s.next('E') {
		if !s.next('+') {
			s.next('-')
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

// string reads a string with its quotes. Prompts are long, so it looks at eight bytes at a time.
func (s *scanner) string() bool {
	if !s.next('"') {
		return false
	}
	for {
		for s.i+8 <= len(s.b) && !special(binary.LittleEndian.Uint64(s.b[s.i:])) {
			s.i += 8
		}
		if s.i >= len(s.b) {
			return false
		}
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return true
		case c == '\\':
			s.i++
			if !s.escape() {
				return false
			}
		case c < ' ':
			return false
		default:
			s.i++
		}
	}
}

// special reports whether one of the eight bytes of w is a quote, a backslash or a control character.
// After "Bit Twiddling Hacks" by Sean Eron Anderson: a byte of x is zero where (x-ones) &^ x has its top bit, and less
// than n where x-ones*n does.
func special(w uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote|(backslash-ones)&^backslash|(w-ones*' ')&^w)&tops != 0
}

// escape reads what follows a backslash.
func (s *scanner) escape() bool {
	if s.i >= len(s.b) {
		return false
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		_, ok := hex4(s.b[s.i:])
		s.i = min(s.i+4, len(s.b))
		return ok
	}
	s.i--
	return false
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil && b[0] != '+' && b[0] != '-'
}

var plainEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unquote decodes a string that the scanner has read. It fails if that is longer than most bytes, or holds half of a
// surrogate pair, which every reader takes for something else.
func unquote(raw []byte, most int) ([]byte, bool) {
	raw = raw[1 : len(raw)-1]
	out := make([]byte, 0, min(len(raw), most+utf8.UTFMax))
	for i := 0; i < len(raw); {
		if len(out) > most {
			return nil, false
		}
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		if plain := plainEscapes[raw[i+1]]; plain != 0 {
			out = append(out, plain)
			i += 2
			continue
		}
		r, _ := hex4(raw[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			var low rune
			if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				low, _ = hex4(raw[i+2:])
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return nil, false
			}
			i += 6
		}
		out = utf8.AppendRune(out, r)
	}
	return out, len(out) <= most
}
