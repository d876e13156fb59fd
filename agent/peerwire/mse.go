package peerwire

import (
	"bytes"
	"crypto/rand"
	"crypto/rc4"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math/big"
	mathrand "math/rand/v2"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/metainfo"
)

// Message Stream Encryption, as every client speaks it: a Diffie-Hellman exchange that looks like noise, the info-hash
// as a shared secret, then RC4 or plaintext.
//
//	1  A→B  Ya, padding
//	2  B→A  Yb, padding
//	3  A→B  SHA1("req1" S), SHA1("req2" SKEY) xor SHA1("req3" S),
//	        RC4{ VC, crypto_provide, len(padC), padC, len(IA), IA }
//	4  B→A  RC4{ VC, crypto_select, len(padD), padD }
//
// The mse package of anacrolix/torrent is not used here, only in the tests: it counts every crypto_provide value that
// it is offered in a map that is never emptied, and which a peer can fill at will; it leaves a goroutine behind on
// every read or write that a context interrupts; and its RC4 streams copy each block through a buffer that they keep
// for each connection. Here nothing outlives a failed handshake, and data is encrypted in the buffer it is in.

const (
	keyLength = 96  // of a public key and of the shared secret, bytes
	maxPad    = 512 // bytes
	rc4Warmup = 1024
)

// Values of crypto_provide and crypto_select.
const (
	cryptoPlain uint32 = 1
	cryptoRC4   uint32 = 2
)

// mseVC is the verification constant: encrypted zeros, by which A finds the start of message 4 after padding of unknown
// length.
var mseVC [8]byte

// msePrime is the 768-bit group that the specification names; its generator is 2.
var (
	msePrime, _ = new(big.Int).SetString("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"+
		"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"+
		"4FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563", 16)
	mseGenerator = big.NewInt(2)
)

// initiateMSE is A's side. initial goes along in message 3. provide is a set of cryptoPlain and cryptoRC4, from which
// the peer selects one.
func (s *stream) initiateMSE(hash swarm.InfoHash, provide uint32, initial []byte) error {
	private, public := newKeyPair()
	if _, err := s.nc.Write(append(public, padding()...)); err != nil {
		return fmt.Errorf("send public key: %w", err)
	}
	theirs, err := s.readPublicKey()
	if err != nil {
		return err
	}
	secret := sharedSecret(theirs, private)
	out, in := streamCipher("keyA", secret, hash), streamCipher("keyB", secret, hash)

	message := digest("req1", secret)
	proof := digest("req2", hash[:])
	subtle.XORBytes(proof, proof, digest("req3", secret))
	message = append(message, proof...)
	plain := len(message)
	message = append(message, mseVC[:]...)
	message = binary.BigEndian.AppendUint32(message, provide)
	message = appendBytes(message, padding())
	message = appendBytes(message, initial)
	out.XORKeyStream(message[plain:], message[plain:])
	if _, err := s.nc.Write(message); err != nil {
		return fmt.Errorf("send encrypted handshake: %w", err)
	}

	var mark [len(mseVC)]byte
	in.XORKeyStream(mark[:], mseVC[:])
	if err := s.skipPast(mark[:]); err != nil {
		return err
	}
	s.decrypt, s.sealed = in, -1
	selected, err := s.readUint32()
	if err != nil {
		return err
	}
	if err := s.discardPad(); err != nil {
		return err
	}
	if selected&provide == 0 || selected != cryptoPlain && selected != cryptoRC4 {
		return protocolError("encryption method %d selected out of %d", selected, provide)
	}
	if selected == cryptoRC4 {
		s.encrypt = out
	} else {
		s.decrypt = nil
	}
	return nil
}

// receiveMSE is B's side. The peer proves that it knows one of the info-hashes, which is returned. choose selects from
// the methods that the peer provides.
func (s *stream) receiveMSE(hashes iter.Seq[swarm.InfoHash], choose func(provided uint32) uint32) (hash swarm.InfoHash, err error) {
	theirs, err := s.readPublicKey()
	if err != nil {
		return hash, err
	}
	var ours, secret []byte
	err = s.compute(func() {
		var private *big.Int
		private, ours = newKeyPair()
		secret = sharedSecret(theirs, private)
	})
	if err != nil {
		return hash, err
	}
	if _, err := s.nc.Write(append(ours, padding()...)); err != nil {
		return hash, fmt.Errorf("send public key: %w", err)
	}
	if err := s.skipPast(digest("req1", secret)); err != nil {
		return hash, err
	}
	var proof [sha1.Size]byte
	if _, err := io.ReadFull(s, proof[:]); err != nil {
		return hash, fmt.Errorf("read encrypted handshake: %w", err)
	}
	subtle.XORBytes(proof[:], proof[:], digest("req3", secret))
	var ok bool
	if err := s.compute(func() { hash, ok = findHash(hashes, proof) }); err != nil {
		return hash, err
	}
	if !ok {
		return hash, ErrSwarm
	}

	s.decrypt, s.sealed = streamCipher("keyA", secret, hash), -1
	var vc [len(mseVC)]byte
	if _, err := io.ReadFull(s, vc[:]); err != nil || vc != mseVC {
		return hash, protocolError("encrypted handshake garbled")
	}
	provided, err := s.readUint32()
	if err != nil {
		return hash, err
	}
	if err := s.discardPad(); err != nil {
		return hash, err
	}
	initial, err := s.readUint16()
	if err != nil {
		return hash, err
	}
	selected := choose(provided)
	if selected&provided == 0 {
		return hash, protocolError("no encryption method in common (%d)", provided)
	}

	out := streamCipher("keyB", secret, hash)
	reply := binary.BigEndian.AppendUint32(bytes.Clone(mseVC[:]), selected)
	reply = appendBytes(reply, padding())
	out.XORKeyStream(reply, reply)
	if _, err := s.nc.Write(reply); err != nil {
		return hash, fmt.Errorf("send encrypted handshake: %w", err)
	}
	switch {
	case selected == cryptoRC4:
		s.encrypt = out
	case initial > 0: // the initial payload is encrypted in either case
		s.sealed = int64(initial)
	default:
		s.decrypt = nil
	}
	return hash, nil
}

// findHash returns the info-hash whose SHA1("req2" hash) is sum.
func findHash(hashes iter.Seq[swarm.InfoHash], sum [sha1.Size]byte) (swarm.InfoHash, bool) {
	var text [4 + metainfo.HashSize]byte
	copy(text[:], "req2")
	for hash := range hashes {
		copy(text[4:], hash[:])
		if sha1.Sum(text[:]) == sum {
			return hash, true
		}
	}
	return swarm.InfoHash{}, false
}

// newKeyPair makes a private key of 160 bits, which the specification thinks enough, and the public key that goes with
// it.
func newKeyPair() (private *big.Int, public []byte) {
	var b [20]byte
	rand.Read(b[:])
	private = new(big.Int).SetBytes(b[:])
	return private, new(big.Int).Exp(mseGenerator, private, msePrime).FillBytes(make([]byte, keyLength))
}

// readPublicKey reads the peer's public key.
func (s *stream) readPublicKey() (*big.Int, error) {
	var b [keyLength]byte
	if _, err := io.ReadFull(s, b[:]); err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	public := new(big.Int).SetBytes(b[:])
	// 0, 1 and -1 would make the secret known to everybody.
	one := big.NewInt(1)
	if public.Cmp(one) <= 0 || public.Cmp(new(big.Int).Sub(msePrime, one)) >= 0 {
		return nil, protocolError("unusable public key")
	}
	return public, nil
}

// sharedSecret returns the secret that follows from the peer's public key and our private one.
func sharedSecret(public, private *big.Int) []byte {
	return new(big.Int).Exp(public, private, msePrime).FillBytes(make([]byte, keyLength))
}

// compute does what takes the processor long in a handshake that the peer began, when its turn has come.
func (s *stream) compute(work func()) error {
	if s.turn != nil {
		return s.turn(work)
	}
	work()
	return nil
}

// skipPast reads up to and including mark, which follows at most maxPad bytes.
func (s *stream) skipPast(mark []byte) error {
	for pad := 0; pad <= maxPad; pad++ {
		b, err := s.in.Peek(pad + len(mark))
		if err != nil {
			return fmt.Errorf("read encrypted handshake: %w", err)
		}
		if bytes.Equal(b[pad:], mark) {
			_, err := s.in.Discard(len(b))
			return err
		}
	}
	return protocolError("encrypted handshake not found")
}

// discardPad reads padding after its length.
func (s *stream) discardPad() error {
	length, err := s.readUint16()
	if err != nil {
		return err
	}
	if length > maxPad {
		return protocolError("%d bytes of padding", length)
	}
	if _, err := io.CopyN(io.Discard, s, int64(length)); err != nil {
		return fmt.Errorf("read encrypted handshake: %w", err)
	}
	return nil
}

func (s *stream) readUint16() (uint16, error) {
	var b [2]byte
	if _, err := io.ReadFull(s, b[:]); err != nil {
		return 0, fmt.Errorf("read encrypted handshake: %w", err)
	}
	return binary.BigEndian.Uint16(b[:]), nil
}

func (s *stream) readUint32() (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(s, b[:]); err != nil {
		return 0, fmt.Errorf("read encrypted handshake: %w", err)
	}
	return binary.BigEndian.Uint32(b[:]), nil
}

// streamCipher returns the cipher of one direction: "keyA" from A, "keyB" from B.
func streamCipher(direction string, secret []byte, hash swarm.InfoHash) *rc4.Cipher {
	// NewCipher fails only on keys of unsuitable length, and a SHA-1 is suitable.
	c, _ := rc4.NewCipher(digest(direction, secret, hash[:]))
	var warmup [rc4Warmup]byte
	c.XORKeyStream(warmup[:], warmup[:])
	return c
}

func digest(label string, parts ...[]byte) []byte {
	h := sha1.New()
	h.Write([]byte(label))
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// padding returns 0 to 512 random bytes, so that lengths give nothing away.
func padding() []byte {
	b := make([]byte, mathrand.IntN(maxPad+1))
	rand.Read(b)
	return b
}

// appendBytes appends p after its length.
func appendBytes(b, p []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(p))), p...)
}
