package owner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/webui"
)

// given is what the owner wants added, as far as it is known: a torrent file, or a magnet link.
type given struct {
	file    []byte            // nil of a magnet link
	torrent *peerwire.Torrent // of file
	magnet  peerwire.Magnet
}

func (g given) hash() swarm.InfoHash {
	if g.torrent != nil {
		return g.torrent.Info.Hash
	}
	return g.magnet.Hash
}

func (g given) trackers() []string {
	if g.torrent != nil {
		return g.torrent.Trackers
	}
	return g.magnet.Trackers
}

// read reads what the owner gave, and fetches it if it is a URL. Nothing else does: downloads and swarms to help, given
// by the page or the command, are all read here. Errors are a *webui.BadRequest and say what would be right.
func (o *Owner) read(ctx context.Context, s webui.Source) (given, error) {
	g, err := o.readSource(ctx, s)
	if err != nil {
		return given{}, &webui.BadRequest{Err: err}
	}
	return g, nil
}

func (o *Owner) readSource(ctx context.Context, s webui.Source) (given, error) {
	if s.File != nil {
		return readFile(s.File)
	}
	text := tidy(s.URI)
	switch h, bare := bareHash(text); {
	case bare:
		return given{magnet: peerwire.Magnet{Hash: h}}, nil
	case strings.ContainsAny(text, "\r\n") && countLinks(text) > 1:
		return given{}, errors.New("there is more than one link: add them one at a time")
	case isMagnet(text):
		return readMagnet(text)
	case isWeb(text):
		file, magnet, err := fetch(ctx, o.cfg.Transport, text)
		switch {
		case err != nil:
			return given{}, err
		case magnet != "":
			return readMagnet(magnet)
		}
		return readFile(file)
	}
	return given{}, fmt.Errorf("%.80q is no link: expected a magnet link, an http or https URL, or an info-hash of 40 hexadecimal digits", text)
}

func readFile(file []byte) (given, error) {
	t, err := peerwire.ParseTorrentPieces(file)
	if err != nil {
		return given{}, err
	}
	return given{file: file, torrent: t}, nil
}

func readMagnet(link string) (given, error) {
	m, err := peerwire.ParseMagnet(link)
	return given{magnet: m}, err
}

// IsLink reports whether text is meant as a link or an info-hash, sound or not, and not as the name of a file.
func IsLink(text string) bool {
	text = tidy(text)
	_, bare := bareHash(text)
	return bare || isMagnet(text) || isWeb(text)
}

// bareHash reads an info-hash that stands alone, or as an URN.
func bareHash(text string) (swarm.InfoHash, bool) {
	text, _ = cutFold(text, "urn:btih:")
	return peerwire.ParseBareHash(text)
}

func isMagnet(text string) bool {
	_, plain := cutFold(text, "magnet:")
	_, encoded := cutFold(text, "magnet%3A")
	return plain || encoded
}

func isWeb(text string) bool {
	_, plain := cutFold(text, "http://")
	_, secure := cutFold(text, "https://")
	return plain || secure
}

// cutFold cuts an ASCII prefix in any case off text.
func cutFold(text, prefix string) (after string, found bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// countLinks counts the lines that begin a link.
func countLinks(text string) (n int) {
	for line := range strings.Lines(text) {
		if IsLink(line) {
			n++
		}
	}
	return n
}

var surrounding = [][2]string{
	{"<", ">"}, {`"`, `"`}, {"'", "'"}, {"`", "`"}, {"(", ")"}, {"[", "]"}, {"“", "”"}, {"„", "“"}, {"‘", "’"}, {"«", "»"},
}

// tidy takes from a link what surrounds it where it was copied from: blanks, seen and unseen, quotes and brackets.
func tidy(text string) string {
	for {
		before := text
		text = strings.TrimFunc(text, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) // such as a byte order mark
		})
		for _, pair := range surrounding {
			if inner, found := strings.CutPrefix(text, pair[0]); found && strings.HasSuffix(inner, pair[1]) {
				text = strings.TrimSuffix(inner, pair[1])
			}
		}
		text, _ = cutFold(text, "URL:") // RFC 3986, appendix C
		if text == before {
			return text
		}
	}
}
