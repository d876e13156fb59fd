package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The colours of a terminal (ECMA-48 §8.3.117) that say how things are.
const (
	green  = "32"
	yellow = "33"
	red    = "31"
)

// screen returns how many rows and columns the terminal has that out is; ok is false if it is none.
func screen(out io.Writer) (rows, columns int, ok bool) {
	f, isFile := out.(*os.File)
	if !isFile {
		return 0, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	return int(size.Row), int(size.Col), true
}

// paint colours text on a terminal whose owner does not mind (https://no-color.org); elsewhere it stays as it is.
func (c *call) paint(colour, text string) string {
	if _, _, terminal := screen(c.out); !terminal || colour == "" || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// bar draws how much of a whole is there, in so many characters that every terminal has.
func bar(part, whole int64, width int) string {
	filled := 0
	if whole > 0 {
		filled = min(max(int(float64(width)*float64(part)/float64(whole)), 0), width)
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}
