package peerwire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTorrentFile(t *testing.T) {
	raw := goodInfo()
	file := dict{"announce": "http://tracker.example/announce", "info": raw, "created by": "somebody"}.encode()
	torrent, err := ParseTorrent(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(torrent.Raw, raw.encode()) || torrent.Info.Name != "file.bin" {
		t.Errorf("%q, %+v", torrent.Raw, torrent.Info)
	}
	if !slices.Equal(torrent.Trackers, []string{"http://tracker.example/announce"}) {
		t.Errorf("%q", torrent.Trackers)
	}
}

func TestTrackersOfAllTiersAreKeptOnce(t *testing.T) {
	file := dict{
		"info":     goodInfo(),
		"announce": "http://ignored.example/",
		"announce-list": [][]string{
			{"http://a.example/", "udp://b.example:1"}, {}, {"http://a.example/", "", "with space", "bad\nline", " http://c.example/ "},
			{"http://" + strings.Repeat("x", 3000), "http://\xff"},
		},
	}.encode()
	torrent, err := ParseTorrent(file)
	if want := []string{"http://a.example/", "udp://b.example:1", "http://c.example/"}; err != nil || !slices.Equal(torrent.Trackers, want) {
		t.Errorf("%q, %v", torrent.Trackers, err)
	}
}

func TestTrackersAreBounded(t *testing.T) {
	var tier []string
	for n := range 1000 {
		tier = append(tier, fmt.Sprintf("http://t%d.example/", n))
	}
	torrent, err := ParseTorrent(dict{"info": goodInfo(), "announce-list": [][]string{tier}}.encode())
	if err != nil || len(torrent.Trackers) != MaxTrackers {
		t.Errorf("%d trackers, %v", len(torrent.Trackers), err)
	}
}

func TestOddTrackersDoNoHarm(t *testing.T) {
	for _, odd := range []any{"text", 1, []int{1}, []any{[]any{1, []string{}}}, dict{}} {
		torrent, err := ParseTorrent(dict{"info": goodInfo(), "announce": odd, "announce-list": odd}.encode())
		if err != nil {
			t.Errorf("%v: %v", odd, err)
		} else if len(torrent.Trackers) > 1 {
			t.Errorf("%v: %q", odd, torrent.Trackers)
		}
	}
}

func TestMalformedTorrentFileIsRefused(t *testing.T) {
	bad := goodInfo()
	bad["name"] = ".."
	good := dict{"info": goodInfo()}.encode()
	for name, file := range map[string][]byte{
		"empty":                nil,
		"a web page":           []byte("<!DOCTYPE html><html>"),
		"cut off":              good[:len(good)-2],
		"with a tail":          append(bytes.Clone(good), 'x'),
		"no info":              dict{"announce": "http://a.example/"}.encode(),
		"info is text":         dict{"info": "x"}.encode(),
		"info is a list":       dict{"info": []int{}}.encode(),
		"path-traversing name": dict{"info": bad}.encode(),
		"two infos":            []byte("d4:infode4:infodee"),
		"too long":             make([]byte, MaxTorrentFile+1),
	} {
		if _, err := ParseTorrent(file); !errors.Is(err, ErrInfo) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTorrentFileMayEndWithANewLine(t *testing.T) {
	for _, tail := range []string{"\n", "\r\n", " \n\n", "\x00"} {
		if _, err := ParseTorrent(append(dict{"info": goodInfo()}.encode(), tail...)); err != nil {
			t.Errorf("%q: %v", tail, err)
		}
	}
}

func FuzzParseTorrent(f *testing.F) {
	f.Add(dict{"info": goodInfo(), "announce": "http://a.example/", "announce-list": [][]string{{"udp://b.example:1"}}}.encode())
	f.Add([]byte("d4:infodee"))
	f.Fuzz(func(t *testing.T, file []byte) {
		torrent, err := ParseTorrent(file)
		if err != nil {
			if !errors.Is(err, ErrInfo) {
				t.Error(err)
			}
			return
		}
		info, err := ParseInfo(torrent.Raw)
		if err != nil || info.Hash != torrent.Info.Hash || len(torrent.Trackers) > MaxTrackers {
			t.Errorf("%+v, %v", torrent, err)
		}
	})
}
