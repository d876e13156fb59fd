package feeds

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"ebb/agent/peerwire"
)

// ErrTooLong says that a document has more bytes than are read.
var ErrTooLong = fmt.Errorf("the document is longer than %d MiB", maxDocument>>20)

const (
	maxDocument = 32 << 20 // bytes, decompressed
	// maxItem bounds one item with its markup, in bytes. Descriptions of some kB are usual.
	maxItem = 256 << 10
	sniffed = 4 << 10 // bytes that tell what a document is
)

// Document is what a document says besides its items.
type Document struct {
	TTL int // minutes for which it does not change; 0 if it does not say
}

// Read reads a document of any kind and calls each for every item that names a swarm. What went wrong on the way is the
// error; the items before it count.
func Read(r io.Reader, each func(Item)) (Document, error) {
	in := newInput(r)
	take := func(i Item) {
		in.allow()
		if i.usable() {
			each(i)
		}
	}
	head, err := in.text.Peek(sniffed)
	if len(head) == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("the document is empty")
		}
		return Document{}, err
	}
	var doc Document
	switch text := strings.ToLower(string(bytes.TrimLeft(head, " \t\r\n"))); {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return Document{}, errors.New("it is a web page, and not a list of torrents: look there for the address of its feed")
	case strings.HasPrefix(text, "<"):
		doc, err = readXML(in, take)
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		err = readJSON(in, take)
	default:
		if comma, ok := separator(text); ok {
			err = readCSV(in, comma, take)
		} else {
			err = readLines(in, take)
		}
	}
	if in.err != nil {
		err = in.err // what the decoders say of it is no help
	}
	return doc, err
}

// input is a document as the decoders read it: valid UTF-8, and no more of it at a time than one item may have. (They
// hold a whole value in memory, however long it is.)
type input struct {
	text    *bufio.Reader
	from    *bufio.Reader
	wide    func([]byte) uint16 // reads a unit of UTF-16; nil for everything else
	left    int                 // bytes that may still be read of the document
	allowed int                 // and before the next item
	err     error               // why no more is read
	rest    []byte              // decoded and not yet read
}

func newInput(r io.Reader) *input {
	in := &input{from: bufio.NewReader(r), left: maxDocument}
	in.allow()
	switch mark, _ := in.from.Peek(3); {
	case bytes.HasPrefix(mark, []byte{0xff, 0xfe}):
		in.wide = func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
	case bytes.HasPrefix(mark, []byte{0xfe, 0xff}):
		in.wide = func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 }
	case bytes.Equal(mark, []byte("\xef\xbb\xbf")):
		in.from.Discard(3)
	}
	if in.wide != nil {
		in.from.Discard(2)
	}
	in.text = bufio.NewReaderSize(in, sniffed)
	return in
}

// allow begins a new item. What the buffers hold already is part of what may be read.
func (in *input) allow() { in.allowed = maxItem + sniffed }

// Read reads text. Bytes that are no UTF-8, and characters that XML does not allow, become question marks and spaces: a
// name in an old encoding is worth less than the info-hash beside it.
func (in *input) Read(b []byte) (int, error) {
	if len(in.rest) == 0 {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, in.rest)
	in.rest = in.rest[n:]
	return n, nil
}

func (in *input) fill() error {
	if in.err != nil {
		return in.err
	}
	switch {
	case in.left <= 0:
		if _, err := in.from.Peek(1); err != nil {
			return err // it ends just there
		}
		in.err = ErrTooLong
		return in.err
	case in.allowed <= 0:
		in.err = fmt.Errorf("an item is longer than %d KiB", maxItem>>10)
		return in.err
	}
	chunk := make([]byte, 0, 4<<10)
	for range min(cap(chunk)-utf8.UTFMax, in.left, in.allowed) {
		r, n, err := in.rune()
		if err != nil {
			if len(chunk) > 0 {
				break
			}
			return err
		}
		in.left, in.allowed = in.left-n, in.allowed-n
		switch {
		case r == utf8.RuneError:
			r = '?'
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xfffe, r == 0xffff:
			r = ' '
		}
		if chunk = utf8.AppendRune(chunk, r); len(chunk) > cap(chunk)-utf8.UTFMax {
			break
		}
		if in.from.Buffered() == 0 {
			break // and wait for more only when it is wanted
		}
	}
	in.rest = chunk
	return nil
}

// rune reads one character, and says how many bytes it was.
func (in *input) rune() (r rune, n int, err error) {
	if in.wide == nil {
		return in.from.ReadRune()
	}
	unit, err := in.unit()
	if err != nil || !utf16.IsSurrogate(rune(unit)) {
		return rune(unit), 2, err
	}
	second, err := in.unit()
	return utf16.DecodeRune(rune(unit), rune(second)), 4, err
}

func (in *input) unit() (uint16, error) {
	var b [2]byte
	_, err := io.ReadFull(in.from, b[:])
	return in.wide(b[:]), err
}

// readLines reads a list that has a magnet link, an info-hash or the URL of a .torrent file in each line, and perhaps a
// name behind it. Empty lines and those that begin with # are left out.
func readLines(in *input, each func(Item)) error {
	for {
		line, err := in.text.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			word := firstWord(line)
			i := newItem()
			i.link(word)
			if h, ok := peerwire.ParseBareHash(word); ok {
				i.Hash = h
			}
			if i.Name == "" {
				i.Name = strings.TrimSpace(line[len(word):])
			}
			each(i)
		} else {
			in.allow()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
