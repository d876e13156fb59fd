package files

import (
	"errors"
	"io"
	"iter"
	"os"
)

// maxWriting bounds how many files a Writer has open at a time: a piece may span thousands.
const maxWriting = 32

// Writer writes pieces to the files of a place.
type Writer struct {
	root  *os.Root
	files []File
	open  map[int]*os.File // by index in files; has not been synced
}

// NewWriter returns a writer to files that Make has made. It is closed by Close.
func (p Place) NewWriter() (*Writer, error) {
	root, err := os.OpenRoot(p.Directory)
	if err != nil {
		return nil, err
	}
	return &Writer{root: root, files: p.Files, open: make(map[int]*os.File)}, nil
}

// Write writes what r gives to the spans, one after the other. Padding is skipped. If both sides are files, the kernel
// copies, or shares the blocks where the file system can.
func (w *Writer) Write(spans iter.Seq[Span], r io.Reader) error {
	for s := range spans {
		if s.File == Padding {
			if _, err := io.CopyN(io.Discard, r, s.Length); err != nil {
				return err
			}
			continue
		}
		f, err := w.file(s.File)
		if err != nil {
			return err
		}
		if _, err := f.Seek(s.Off, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(f, r, s.Length); err != nil {
			return err
		}
	}
	return nil
}

// file returns the file, open for writing.
func (w *Writer) file(n int) (*os.File, error) {
	if f := w.open[n]; f != nil {
		return f, nil
	}
	if len(w.open) >= maxWriting {
		if err := w.Sync(); err != nil {
			return nil, err
		}
	}
	f, err := w.root.OpenFile(w.files[n].Path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	w.open[n] = f
	return f, nil
}

// Sync syncs and closes what is open.
func (w *Writer) Sync() error {
	for n, f := range w.open {
		delete(w.open, n)
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Discard closes what is open without syncing it: what was written to it counts as not written.
func (w *Writer) Discard() {
	for n, f := range w.open {
		f.Close() // see above
		delete(w.open, n)
	}
}

// Close ends the writing, as Discard does.
func (w *Writer) Close() error {
	w.Discard()
	return w.root.Close()
}
