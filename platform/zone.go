package platform

import (
	_ "embed"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// zones is what time each zone of the IANA database has now, for devices without that database: in each line the rule,
// as POSIX writes it, and the zones that follow it. It is the last line of each file in /usr/share/zoneinfo (RFC 9636). What
// no rule can say is left out, such as Morocco's Ramadan.
//
//go:embed zones.txt
var zones string

// Zone returns the zone of the clock on the wall of this device where Go does not find it by itself, which knows
// zoneinfo files only: elsewhere it is named by a rule, as in OpenWrt's /etc/TZ, or by the name of a zone whose file is
// not there, as in small containers. It is nil if Go's own is right, or nothing tells. tz is the variable TZ, if that is
// set.
func (f Files) Zone(tz string, set bool) *time.Location {
	if set {
		tz = strings.TrimPrefix(tz, ":")
		if tz == "" || filepath.IsAbs(tz) {
			return nil
		}
		if _, err := time.LoadLocation(tz); err == nil {
			return nil
		}
		return zone(tz)
	}
	localtime := filepath.Join(f.Etc, "localtime")
	if _, err := os.Stat(localtime); err == nil {
		return nil
	}
	link, _ := os.Readlink(localtime)
	_, linked, _ := strings.Cut(link, "/zoneinfo/")
	if z := zone(linked); z != nil {
		return z
	}
	for _, path := range []string{
		filepath.Join(f.Etc, "TZ"), // OpenWrt's: a link to the next one
		filepath.Join(f.Etc, "..", "tmp", "TZ"),
		filepath.Join(f.Etc, "timezone"), // Debian's: a name
	} {
		if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() { // anybody may put a pipe into /tmp
			continue
		}
		if text, err := attribute(path); err == nil {
			if z := zone(text); z != nil {
				return z
			}
		}
	}
	return nil
}

// zone returns a zone by its name, or by its rule; nil if it is neither.
func zone(text string) *time.Location {
	if z, err := time.LoadLocation(text); err == nil && text != "" && text != "Local" {
		return z
	}
	for line := range strings.Lines(zones) {
		fields := strings.Fields(line)
		for _, name := range fields[1:] {
			if name == text {
				return zoneOf(text, fields[0])
			}
		}
	}
	return zoneOf(text, text)
}

// zoneOf makes a zone of a rule in the manner of POSIX, such as CET-1CEST,M3.5.0,M10.5.0/3, by wrapping it in a zoneinfo
// file whose only words it is (RFC 9636 §3).
func zoneOf(name, rule string) *time.Location {
	standard, east, ok := standardTime(rule)
	if !ok {
		return nil
	}
	header := func(types, characters int) []byte {
		h := append(make([]byte, 0, 44), "TZif2"...)
		h = h[:20]        // reserved
		h = h[:len(h)+16] // no indicators, leap seconds, transitions
		h = binary.BigEndian.AppendUint32(h, uint32(types))
		return binary.BigEndian.AppendUint32(h, uint32(characters))
	}
	file := append(header(0, 0), header(1, len(standard)+1)...)
	file = binary.BigEndian.AppendUint32(file, uint32(int32(east/time.Second)))
	file = append(file, 0, 0) // no daylight saving; the abbreviation begins at 0
	file = append(file, standard+"\x00\n"+rule+"\n"...)
	z, err := time.LoadLocationFromTZData(name, file)
	if err != nil {
		return nil
	}
	return z
}

// standardTime reads what a rule begins with: the abbreviation of standard time, and how far it is west of Greenwich.
func standardTime(rule string) (abbreviation string, east time.Duration, ok bool) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	rest := strings.TrimLeft(rule, letters)
	abbreviation = rule[:len(rule)-len(rest)]
	if quoted, is := strings.CutPrefix(rule, "<"); is {
		if abbreviation, rest, ok = strings.Cut(quoted, ">"); !ok || strings.Trim(abbreviation, letters+"+-0123456789") != "" {
			return "", 0, false
		}
	}
	if len(abbreviation) < 3 || len(rule) > attributeSize {
		return "", 0, false
	}
	sign := -time.Second
	switch {
	case strings.HasPrefix(rest, "-"):
		sign, rest = time.Second, rest[1:]
	case strings.HasPrefix(rest, "+"):
		rest = rest[1:]
	}
	seconds, unit, digits := 0, 3600, 0
	for unit > 0 {
		number := 0
		for digits = 0; digits < 3 && rest != "" && '0' <= rest[0] && rest[0] <= '9'; digits++ {
			number, rest = number*10+int(rest[0]-'0'), rest[1:]
		}
		if digits == 0 || unit < 3600 && number > 59 || number > 24 && unit == 3600 {
			return "", 0, false
		}
		seconds += number * unit
		if unit /= 60; !strings.HasPrefix(rest, ":") {
			break
		}
		rest = rest[1:]
	}
	return abbreviation, sign * time.Duration(seconds), true
}
