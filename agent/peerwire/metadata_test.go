package peerwire

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// newFetch makes a fetch into memory.
func newFetch(h swarm.InfoHash, size int64) (*MetadataFetch, error) {
	return NewMetadataFetch(h, size, MaxMetadata, new(MetadataMemory))
}

// add hands a payload to a fetch, and returns the whole dictionary once it is there.
func add(f *MetadataFetch, payload []byte) ([]byte, error) {
	m, err := ParseMetadataMessage(payload)
	if err != nil {
		return nil, err
	}
	if done, err := f.Add(m); !done {
		return nil, err
	}
	return f.Info()
}

// askForAll has a fetch ask for all pieces.
func askForAll(f *MetadataFetch) {
	for ok := true; ok; _, _, ok = f.Next() {
	}
}

// fetch asks for everything and answers from source, in order or the other way round.
func fetch(t *testing.T, f *MetadataFetch, source []byte, backwards bool) ([]byte, error) {
	t.Helper()
	var replies [][]byte
	for _, request, ok := f.Next(); ok; _, request, ok = f.Next() {
		m, err := ParseMetadataMessage(request)
		if err != nil || m.Kind != MetadataRequest {
			t.Fatalf("request %q: %+v, %v", request, m, err)
		}
		reply := MetadataReply(source, m.Piece)
		if backwards {
			replies = append([][]byte{reply}, replies...)
		} else {
			replies = append(replies, reply)
		}
	}
	for n, reply := range replies {
		info, err := add(f, reply)
		if err != nil || info != nil {
			if n != len(replies)-1 {
				t.Fatalf("done after %d of %d pieces", n+1, len(replies))
			}
			return info, err
		}
	}
	return nil, nil
}

func TestMetadataIsFetchedInAnyOrder(t *testing.T) {
	for _, size := range []int{1, MetadataPiece - 1, MetadataPiece, MetadataPiece + 1, 3*MetadataPiece + 100} {
		for _, backwards := range []bool{false, true} {
			info := randomBytes(size)
			f, err := newFetch(sha1.Sum(info), int64(size))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := fetch(t, f, info, backwards); err != nil || !bytes.Equal(got, info) {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
	}
}

func TestMetadataThatDoesNotMatchTheInfoHashIsDropped(t *testing.T) {
	info := randomBytes(2 * MetadataPiece)
	f, err := newFetch(sha1.Sum(info), int64(len(info)))
	if err != nil {
		t.Fatal(err)
	}
	forged := bytes.Clone(info)
	forged[MetadataPiece] ^= 1
	if got, err := fetch(t, f, forged, false); !errors.Is(err, ErrMetadataHash) || got != nil {
		t.Errorf("forged: %v", err)
	}
	if got, err := fetch(t, f, info, false); err != nil || !bytes.Equal(got, info) {
		t.Errorf("after starting over: %v", err)
	}
}

func TestMetadataOfHostileSizeIsRefused(t *testing.T) {
	for _, size := range []int64{-1, 0, MaxMetadata + 1, 1 << 62} {
		if _, err := newFetch(swarm.InfoHash{}, size); !errors.Is(err, ErrProtocol) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	f, err := newFetch(swarm.InfoHash{}, MaxMetadata)
	if err != nil || f.Size() != MaxMetadata {
		t.Errorf("largest: %v", err)
	}
}

func TestMetadataPiecesThatDoNotFitBreakTheProtocol(t *testing.T) {
	f, err := newFetch(swarm.InfoHash{}, 2*MetadataPiece+10)
	if err != nil {
		t.Fatal(err)
	}
	askForAll(f)
	full := make([]byte, MetadataPiece)
	for name, m := range map[string]MetadataMessage{
		"beyond the end": {Kind: MetadataData, Piece: 3, TotalSize: f.Size(), Data: full},
		"other size":     {Kind: MetadataData, Piece: 0, TotalSize: f.Size() + 1, Data: full},
		"too short":      {Kind: MetadataData, Piece: 0, TotalSize: f.Size(), Data: full[1:]},
		"too long":       {Kind: MetadataData, Piece: 0, TotalSize: f.Size(), Data: append(full, 0)},
		"last too long":  {Kind: MetadataData, Piece: 2, TotalSize: f.Size(), Data: full},
	} {
		if _, err := add(f, m.Marshal()); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMetadataThatWasNotAskedForIsIgnored(t *testing.T) {
	info := randomBytes(100)
	f, err := newFetch(sha1.Sum(info), 100)
	if err != nil {
		t.Fatal(err)
	}
	data := MetadataMessage{Kind: MetadataData, TotalSize: 100, Data: info}.Marshal()
	if got, err := add(f, data); got != nil || err != nil {
		t.Errorf("not asked for: %q, %v", got, err)
	}
	f.Next()
	for _, m := range []MetadataMessage{{Kind: MetadataRequest}, {Kind: MetadataReject}, {Kind: 7}} {
		if got, err := add(f, m.Marshal()); got != nil || err != nil {
			t.Errorf("%+v: %q, %v", m, got, err)
		}
	}
	if got, err := add(f, data); err != nil || !bytes.Equal(got, info) {
		t.Errorf("asked for: %v", err)
	}
}

func TestRejectedMetadataIsAskedForAgainAfterRetry(t *testing.T) {
	f, err := newFetch(swarm.InfoHash{}, MetadataPiece)
	if err != nil {
		t.Fatal(err)
	}
	piece, first, ok := f.Next()
	if _, _, more := f.Next(); !ok || more {
		t.Fatal("one request expected")
	}
	f.Retry(piece)
	if _, again, ok := f.Next(); !ok || !bytes.Equal(first, again) {
		t.Errorf("%q, then %q", first, again)
	}
}

func TestMetadataIsTakenUpFromItsStore(t *testing.T) {
	info := randomBytes(5*MetadataPiece + 7)
	store := new(MetadataMemory)
	first, err := NewMetadataFetch(sha1.Sum(info), int64(len(info)), MaxMetadata, store)
	if err != nil {
		t.Fatal(err)
	}
	askForAll(first)
	for _, piece := range []int{0, 3, 5} {
		if _, err := add(first, MetadataReply(info, piece)); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "part"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for off, piece := range store.pieces { // sparse, as it is on a disk
		if _, err := file.WriteAt(piece, off); err != nil {
			t.Fatal(err)
		}
	}
	second, err := NewMetadataFetch(sha1.Sum(info), int64(len(info)), MaxMetadata, file)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := second.Resume(); done || err != nil {
		t.Fatalf("resumed: %v, %v", done, err)
	}
	if have, pieces := second.Progress(); have != 3 || pieces != 6 {
		t.Errorf("%d of %d pieces are taken up, want 3 of 6", have, pieces)
	}
	if got, err := fetch(t, second, info, false); err != nil || !bytes.Equal(got, info) {
		t.Errorf("the rest: %v", err)
	}
	third, err := NewMetadataFetch(sha1.Sum(info), int64(len(info)), MaxMetadata, file)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := third.Resume(); !done || err != nil {
		t.Errorf("what was whole is taken up: %v, %v", done, err)
	}
}

func TestMetadataRequestsWeCannotAnswerAreRejected(t *testing.T) {
	for _, c := range []struct{ info, piece int }{{0, 0}, {100, 1}, {MetadataPiece, 1}, {100, 1 << 30}} {
		reply := MetadataReply(make([]byte, c.info), c.piece)
		if m, err := ParseMetadataMessage(reply); err != nil || m.Kind != MetadataReject || m.Piece != c.piece {
			t.Errorf("%d bytes, piece %d: %+v, %v", c.info, c.piece, m, err)
		}
	}
}

func TestMetadataMessagesAreThoseOfAnotherLibrary(t *testing.T) {
	theirs := pp.MetadataExtensionRequestMsg(1, 5).ExtendedPayload
	if m, err := ParseMetadataMessage(theirs); err != nil || !reflect.DeepEqual(m, MetadataMessage{Kind: MetadataRequest, Piece: 5}) {
		t.Errorf("theirs: %+v, %v", m, err)
	}
	var d pp.ExtendedMetadataRequestMsg
	ours := MetadataMessage{Kind: MetadataData, Piece: 1, TotalSize: 20_000, Data: []byte("data")}.Marshal()
	var rest bencode.ErrUnusedTrailingBytes
	if err := bencode.Unmarshal(ours, &d); !errors.As(err, &rest) || rest.NumUnusedBytes != 4 {
		t.Errorf("ours: %v", err)
	}
	if d.Piece != 1 || d.TotalSize != 20_000 || d.Type != pp.DataMetadataExtensionMsgType {
		t.Errorf("ours: %+v", d)
	}
}

func TestBadMetadataMessagesBreakTheProtocol(t *testing.T) {
	for _, text := range []string{
		"", "le", "de", "d8:msg_typei0ee", "d5:piecei0ee", "d8:msg_type1:05:piecei0ee", "d8:msg_typei0e5:piecei-1ee",
		"d8:msg_typei0e5:piecei2147483648ee", "d8:msg_typei-1e5:piecei0ee", "d8:msg_typei0e5:piecei0e5:piecei1ee",
	} {
		if _, err := ParseMetadataMessage([]byte(text)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	info := randomBytes(2*MetadataPiece + 5)
	for n := range 3 {
		f.Add(MetadataReply(info, n))
	}
	f.Add(MetadataMessage{Kind: MetadataReject, Piece: 1}.Marshal())
	f.Add([]byte("d8:msg_typei1e5:piecei0e10:total_sizei99999999999ee"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if asked, err := ParseMetadataMessage(payload); err == nil {
			reply := MetadataReply(info, asked.Piece)
			if m, err := ParseMetadataMessage(reply); err != nil || len(m.Data) > MetadataPiece {
				t.Errorf("reply %q: %v", reply, err)
			}
		}
		fetch, err := newFetch(sha1.Sum(info), int64(len(info)))
		if err != nil {
			t.Fatal(err)
		}
		askForAll(fetch)
		if got, err := add(fetch, payload); got != nil {
			t.Errorf("complete after one of three pieces: %v", err)
		} else if err != nil && !errors.Is(err, ErrProtocol) {
			t.Error(fmt.Errorf("unexpected kind of error: %w", err))
		}
	})
}
