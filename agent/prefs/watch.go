package prefs

import (
	"bytes"
	"context"
	"os"
	"time"
)

// settled is how old a file must be before an unchanged time of modification proves that it is unchanged; FAT, on many
// an SD card, counts in steps of two seconds.
const settled = 3 * time.Second

// Watch looks at the file at path every so often, and tells when its text has changed: the new preferences, or why they
// cannot be used. What the file holds when Watch is called is not told. A Save by this program is told like any other.
// changed is called from this goroutine; Watch returns when ctx ends. every must be positive.
func Watch(ctx context.Context, path string, every time.Duration, changed func(Preferences, error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	seen := look(path, glance{})
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := look(path, seen)
		if ctx.Err() != nil {
			return
		}
		different := !now.same(seen)
		seen = now
		switch {
		case !different:
		case now.err != nil:
			changed(Preferences{}, now.err)
		default:
			changed(parseFile(path, now.text))
		}
	}
}

// glance is what one look at the file gave.
type glance struct {
	info os.FileInfo // from before the text was read, so that a later change shows; nil if there was none
	text []byte
	err  error
}

// look reads the file, unless it is certain to be as it was before: a file at rest costs one stat, which wakes no disk.
func look(path string, before glance) glance {
	info, err := os.Stat(path)
	if err == nil && before.info != nil && before.err == nil &&
		os.SameFile(info, before.info) && info.Size() == before.info.Size() &&
		info.ModTime().Equal(before.info.ModTime()) && time.Since(info.ModTime()) > settled {
		return before
	}
	text, err := read(path)
	return glance{info, text, err}
}

func (g glance) same(other glance) bool {
	if g.err != nil || other.err != nil {
		return g.err != nil && other.err != nil && g.err.Error() == other.err.Error()
	}
	return bytes.Equal(g.text, other.text)
}
