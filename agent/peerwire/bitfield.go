package peerwire

import (
	"bytes"
	"fmt"
	"math/bits"
)

// Bitfield says which pieces of a torrent somebody has, one bit per piece, in the form of the wire (BEP 3): piece 0 is
// the highest bit of the first byte, and the spare bits at the end are zero. Copies of a Bitfield share their bits. The
// zero value has no pieces.
type Bitfield struct {
	bits []byte
	n    int
}

// NewBitfield returns a field of n zero bits.
func NewBitfield(n int) Bitfield {
	n = max(n, 0)
	return Bitfield{bits: make([]byte, (n+7)/8), n: n}
}

// ParseBitfield checks the payload of a bitfield message for a torrent of n pieces: its length must match, and the
// spare bits must be zero. The result shares the memory of b.
func ParseBitfield(b []byte, n int) (Bitfield, error) {
	if n < 0 || len(b) != (n+7)/8 {
		return Bitfield{}, fmt.Errorf("%w: a bitfield of %d bytes for %d pieces", ErrProtocol, len(b), n)
	}
	if n%8 != 0 && b[len(b)-1]<<(n%8) != 0 {
		return Bitfield{}, fmt.Errorf("%w: spare bits set in a bitfield for %d pieces", ErrProtocol, n)
	}
	return Bitfield{bits: b, n: n}, nil
}

// Len returns the number of pieces.
func (f Bitfield) Len() int { return f.n }

// Bytes returns the bits as they go over the wire. They are f's own memory.
func (f Bitfield) Bytes() []byte { return f.bits }

// Has reports whether bit i is set; bits outside the field are not.
func (f Bitfield) Has(i int) bool {
	return i >= 0 && i < f.n && f.bits[i/8]&(0x80>>(i%8)) != 0
}

// Set sets bit i, if the field has it.
func (f Bitfield) Set(i int) {
	if i >= 0 && i < f.n {
		f.bits[i/8] |= 0x80 >> (i % 8)
	}
}

// Clear clears bit i, if the field has it.
func (f Bitfield) Clear(i int) {
	if i >= 0 && i < f.n {
		f.bits[i/8] &^= 0x80 >> (i % 8)
	}
}

// SetAll sets every bit: what a HaveAll message says (BEP 6).
func (f Bitfield) SetAll() {
	for i := range f.bits {
		f.bits[i] = 0xff
	}
	if spare := f.n % 8; spare != 0 {
		f.bits[len(f.bits)-1] <<= 8 - spare
	}
}

// Count returns how many bits are set.
func (f Bitfield) Count() int {
	count := 0
	for _, b := range f.bits {
		count += bits.OnesCount8(b)
	}
	return count
}

// Clone returns a copy with bits of its own.
func (f Bitfield) Clone() Bitfield {
	return Bitfield{bits: bytes.Clone(f.bits), n: f.n}
}
