package feeds

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// maxDepth bounds how deep elements may lie in one another: those of feeds are four or five deep.
const maxDepth = 32

// readXML reads RSS and Atom. Elements are known by their local names, whatever their namespaces are: those are declared
// wrongly as often as not.
func readXML(in *input, each func(Item)) (doc Document, err error) {
	d := xml.NewDecoder(in.text)
	d.Strict, d.Entity, d.AutoClose = false, xml.HTMLEntity, xml.HTMLAutoClose
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now
	var (
		open []string // elements, outermost first
		item *element // that is being read
		text strings.Builder
		seen bool
	)
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			if !seen {
				return doc, errors.New("it is XML, and no feed: there is no item or entry in it")
			}
			return doc, nil
		}
		if err != nil {
			return doc, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(open) == maxDepth {
				return doc, errors.New("its elements lie too deep in one another")
			}
			name := strings.ToLower(t.Name.Local)
			open = append(open, name)
			text.Reset()
			switch {
			case item == nil && (name == "item" || name == "entry"):
				item, seen = &element{Item: newItem(), depth: len(open)}, true
				in.allow()
			case item != nil:
				item.attributes(name, t.Attr)
			case name == "channel" || name == "feed" || name == "rss" || name == "rdf":
				seen = true // a feed without items is one, too
			}
		case xml.CharData:
			if text.Len()+len(t) <= maxItem {
				text.Write(t)
			}
		case xml.EndElement:
			name := strings.ToLower(t.Name.Local)
			at := lastIndex(open, name)
			if at < 0 {
				break // it was never opened
			}
			switch {
			case item != nil && at < item.depth:
				each(item.Item)
				item = nil
			case item != nil && at > 0 && !somebodyElse[open[at-1]]:
				item.child(name, text.String())
			case item != nil:
			case name == "ttl":
				doc.TTL = countOf(strings.TrimSpace(text.String()), 0)
				in.allow()
			default:
				in.allow()
			}
			open = open[:at]
			text.Reset()
		}
	}
}

// somebodyElse are the elements within an item whose names are not the item's.
var somebodyElse = map[string]bool{"author": true, "contributor": true, "source": true, "image": true}

func lastIndex(open []string, name string) int {
	for i := len(open) - 1; i >= 0; i-- {
		if open[i] == name {
			return i
		}
	}
	return -1
}

// element is an item that is being read.
type element struct {
	Item
	depth int
}

// child takes an element within the item.
func (e *element) child(name, text string) {
	switch name {
	case "length": // of the .torrent file, if at all
	case "peers": // all of them, as in Torznab
		e.peers(text)
	case "description", "content", "summary", "encoded":
		if e.Hash.IsZero() && strings.Contains(strings.ToLower(text), "magnet:?") {
			e.link(text)
		}
	default:
		e.field(name, text)
	}
}

// peers takes the number of all peers; seeds come first where there are any.
func (e *element) peers(text string) {
	if n := countOf(strings.TrimSpace(text), -1); n >= 0 && e.Leechers < 0 {
		e.Leechers = max(n-max(e.Seeds, 0), 0)
	}
}

// attributes takes what stands within an element's tag: the links of Atom, the enclosures of RSS, the attributes of Torznab.
func (e *element) attributes(name string, list []xml.Attr) {
	of := make(map[string]string, len(list))
	for _, a := range list {
		of[strings.ToLower(a.Name.Local)] = strings.TrimSpace(a.Value)
	}
	switch name {
	case "enclosure", "link", "content", "torrent":
		for _, key := range []string{"url", "href", "src"} {
			link := of[key]
			if link == "" {
				continue
			}
			e.link(link)
			if e.Torrent == "" && strings.Contains(of["type"], "bittorrent") && strings.HasPrefix(link, "http") {
				e.Torrent = link
			}
		}
	case "attr":
		if of["name"] == "peers" {
			e.peers(of["value"])
		} else {
			e.field(of["name"], of["value"])
		}
	}
}
