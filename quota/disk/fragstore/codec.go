package fragstore

import (
	"encoding/binary"

	"github.com/anacrolix/torrent/metainfo"
)

// Keys and values of the index's fragments.

const (
	fragmentKeyLen   = metainfo.HashSize + 4
	fragmentValueLen = 4 + 4 + 4 + 4 + 8
	// shortValueLen is the length of the values of format 1, which had length and epoch only.
	shortValueLen = 4 + 4
	// mostServed bounds what an index may claim, at 1 EiB, so that it can be added to.
	mostServed = 1 << 60
)

func fragmentKey(k Key) string {
	var b [fragmentKeyLen]byte
	copy(b[:], k.Hash[:])
	binary.BigEndian.PutUint32(b[metainfo.HashSize:], k.Index)
	return string(b[:])
}

// fragmentValue says what the index keeps of an entry. One that is not verified gets another epoch than the present
// one.
func fragmentValue(e *entry, epoch uint32) []byte {
	if !e.is(verified) {
		epoch--
	}
	b := make([]byte, 0, fragmentValueLen)
	b = binary.BigEndian.AppendUint32(b, e.length)
	b = binary.BigEndian.AppendUint32(b, epoch)
	b = binary.BigEndian.AppendUint32(b, uint32(e.stored))
	b = binary.BigEndian.AppendUint32(b, uint32(e.lastServed))
	return binary.BigEndian.AppendUint64(b, uint64(e.served))
}

// parseFragment reads a key and a value as they are in an epoch. ok is false if they make no sense.
func parseFragment(key, value []byte, epoch uint32) (k Key, e entry, ok bool) {
	if len(key) != fragmentKeyLen || len(value) != fragmentValueLen && len(value) != shortValueLen {
		return k, e, false
	}
	copy(k.Hash[:], key)
	k.Index = binary.BigEndian.Uint32(key[metainfo.HashSize:])
	e = entry{index: k.Index, length: binary.BigEndian.Uint32(value)}
	if binary.BigEndian.Uint32(value[4:]) == epoch {
		e.state = verified
	}
	if len(value) == fragmentValueLen {
		e.stored = stamp(binary.BigEndian.Uint32(value[8:]))
		e.lastServed = stamp(binary.BigEndian.Uint32(value[12:]))
		e.served = int64(min(binary.BigEndian.Uint64(value[16:]), mostServed))
	}
	return k, e, e.length >= 1 && e.length <= MaxLength
}
