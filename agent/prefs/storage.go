package prefs

import (
	"errors"
	"strconv"
	"strings"
)

// Storage is the space allotted to fragments: a size, a share of the file system, or not set, which is the zero value
// and different from 0. Its text is that of a Size, "10%" with at most two decimals, or "" for not set.
type Storage struct {
	kind   storageKind
	amount int64 // bytes, or hundredths of a percent
}

type storageKind uint8

const (
	storageUnset storageKind = iota
	storageBytes
	storageShare
)

// wholeShare is 100 % in hundredths of a percent.
const wholeShare = 100_00

var errNotStorage = errors.New(`not a size; write it like "20GiB", "500MB" or "10%"`)

// StorageOf returns an allotment of n bytes; a negative n counts as 0.
func StorageOf(n int64) Storage { return Storage{storageBytes, max(n, 0)} }

// IsSet reports whether the owner has decided: only then may the background run.
func (s Storage) IsSet() bool { return s.kind != storageUnset }

// Bytes returns the allotment on a file system of fsTotal bytes, rounded down; 0 while it is not set.
func (s Storage) Bytes(fsTotal int64) int64 {
	if s.kind != storageShare {
		return s.amount
	}
	fsTotal = max(fsTotal, 0)
	// Divided first: fsTotal times the share need not fit 64 bits.
	return fsTotal/wholeShare*s.amount + fsTotal%wholeShare*s.amount/wholeShare
}

// Share returns the part of the file system that is allotted, 0.1 for "10%"; 0 if the allotment is not a share.
func (s Storage) Share() float64 {
	if s.kind != storageShare {
		return 0
	}
	return float64(s.amount) / wholeShare
}

// UnmarshalText reads a size or a percentage from 0% to 100%; empty text is not set.
func (s *Storage) UnmarshalText(text []byte) error {
	trimmed := strings.TrimSpace(string(text))
	if trimmed == "" {
		*s = Storage{}
		return nil
	}
	if percent, ok := strings.CutSuffix(trimmed, "%"); ok {
		percent = strings.TrimSpace(percent)
		_, decimals, _ := strings.Cut(percent, ".")
		share, ok := scaled(percent, "%", []unit{{"%", wholeShare / 100}})
		if !ok || len(decimals) > 2 || share > wholeShare {
			return errors.New(`not a share of the disk; write it like "10%" or "2.5%", at most "100%"`)
		}
		*s = Storage{storageShare, share}
		return nil
	}
	n, ok := parseSize(trimmed)
	if !ok {
		return errNotStorage
	}
	*s = StorageOf(int64(n))
	return nil
}

// MarshalText gives the text that UnmarshalText reads back as the same storage.
func (s Storage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Storage) String() string {
	switch s.kind {
	case storageBytes:
		return Size(s.amount).String()
	case storageShare:
		return strconv.FormatFloat(float64(s.amount)/100, 'f', -1, 64) + "%"
	default:
		return ""
	}
}
