package peerwire

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestBitfieldBehavesLikeASetOfPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 70).Draw(t, "pieces")
		field, set := NewBitfield(n), make(map[int]bool)
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			i := rapid.IntRange(-3, 80).Draw(t, "index")
			switch rapid.IntRange(0, 9).Draw(t, "action") {
			case 0:
				field.SetAll()
				for i := range n {
					set[i] = true
				}
			case 1, 2, 3:
				field.Clear(i)
				delete(set, i)
			default:
				field.Set(i)
				if i >= 0 && i < n {
					set[i] = true
				}
			}
		}
		for i := -3; i < 90; i++ {
			if field.Has(i) != set[i] {
				t.Fatalf("Has(%d) = %v", i, field.Has(i))
			}
		}
		if field.Count() != len(set) || field.Len() != n {
			t.Fatalf("Count() = %d, Len() = %d, want %d, %d", field.Count(), field.Len(), len(set), n)
		}
		again, err := ParseBitfield(field.Bytes(), n)
		if err != nil || again.Count() != len(set) {
			t.Fatalf("its own bytes: %v", err)
		}
	})
}

func TestBitfieldHasPieceZeroInTheHighestBit(t *testing.T) {
	field := NewBitfield(10)
	field.Set(0)
	field.Set(9)
	if !bytes.Equal(field.Bytes(), []byte{0x80, 0x40}) {
		t.Errorf("bytes %x", field.Bytes())
	}
}

func TestBitfieldOfWrongLengthOrWithSpareBitsIsRefused(t *testing.T) {
	for _, c := range []struct {
		bits []byte
		n    int
		ok   bool
	}{
		{nil, 0, true},
		{[]byte{0xff}, 8, true},
		{[]byte{0xfe}, 7, true},
		{[]byte{0xff}, 7, false},
		{[]byte{0x00, 0x01}, 9, false},
		{[]byte{0x00, 0x80}, 9, true},
		{[]byte{0xff}, 9, false},
		{[]byte{0xff, 0x00}, 8, false},
		{[]byte{0x00}, 0, false},
		{nil, -1, false},
	} {
		if _, err := ParseBitfield(c.bits, c.n); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrProtocol) {
			t.Errorf("%x for %d pieces: %v", c.bits, c.n, err)
		}
	}
}

func TestCopyOfABitfieldSharesItsBitsAndACloneDoesNot(t *testing.T) {
	field := NewBitfield(3)
	shared, own := field, field.Clone()
	field.Set(1)
	if !shared.Has(1) || own.Has(1) {
		t.Errorf("copy %v, clone %v", shared.Has(1), own.Has(1))
	}
}
