package platform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// device returns a device whose files have these texts, by their paths below its root; one that begins with "-> " is
// a link.
func device(t *testing.T, files map[string]string) Files {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		to, link := strings.CutPrefix(text, "-> ")
		err := error(nil)
		if link {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Files{Etc: filepath.Join(root, "etc")}
}

var (
	winter = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	summer = time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
)

func TestZoneIsThatOfTheDevice(t *testing.T) {
	const berlin = "CET-1CEST,M3.5.0,M10.5.0/3"
	for name, test := range map[string]struct {
		files          map[string]string
		tz             string
		set            bool
		winter, summer string
	}{
		"OpenWrt":                   {map[string]string{"etc/TZ": berlin + "\n"}, "", false, "13:00 CET", "14:00 CEST"},
		"OpenWrt's /tmp":            {map[string]string{"etc/TZ": "-> ../tmp/TZ", "tmp/TZ": berlin}, "", false, "13:00 CET", "14:00 CEST"},
		"only /tmp":                 {map[string]string{"etc/x": "", "tmp/TZ": "EST5EDT,M3.2.0,M11.1.0"}, "", false, "07:00 EST", "08:00 EDT"},
		"a link into nowhere":       {map[string]string{"etc/localtime": "-> /nowhere/zoneinfo/Asia/Kolkata"}, "", false, "17:30 IST", "17:30 IST"},
		"a name":                    {map[string]string{"etc/timezone": "Australia/Lord_Howe\n"}, "", false, "23:00 +11", "22:30 +1030"},
		"a variable":                {nil, berlin, true, "13:00 CET", "14:00 CEST"},
		"a variable wins":           {map[string]string{"etc/TZ": "UTC0"}, "<-03>3", true, "09:00 -03", "09:00 -03"},
		"a colon":                   {nil, ":<+0545>-5:45", true, "17:45 +0545", "17:45 +0545"},
		"south":                     {nil, "AEST-10AEDT,M10.1.0,M4.1.0/3", true, "23:00 AEDT", "22:00 AEST"},
		"Julian days":               {nil, "XST3XDT,J60/0,J300/0", true, "09:00 XST", "10:00 XDT"},
		"days from 0":               {nil, "XST3XDT,59,299", true, "09:00 XST", "10:00 XDT"},
		"nothing":                   {nil, "", false, "", ""},
		"localtime is there":        {map[string]string{"etc/localtime": "TZif", "etc/TZ": berlin}, "", false, "", ""},
		"a name that Go knows":      {nil, "UTC", true, "", ""},
		"an empty variable":         {map[string]string{"etc/TZ": berlin}, "", true, "", ""},
		"words":                     {nil, "what is this", true, "", ""},
		"an offset beyond reason":   {nil, "CET-99", true, "", ""},
		"an abbreviation of two":    {nil, "CE-1", true, "", ""},
		"an open bracket":           {nil, "<+03-3", true, "", ""},
		"a line end in a bracket":   {nil, "<+0\n3>-3", true, "", ""},
		"minutes beyond reason":     {nil, "CET-1:99", true, "", ""},
		"rules that cannot be read": {nil, "CET-1CEST,X", true, "13:00 CET", "13:00 CET"},
	} {
		z := device(t, test.files).Zone(test.tz, test.set)
		if test.winter == "" {
			if z != nil {
				t.Errorf("%s: got %v, want Go's own", name, z)
			}
			continue
		}
		if z == nil {
			t.Errorf("%s: there is none", name)
			continue
		}
		if w, s := winter.In(z).Format("15:04 MST"), summer.In(z).Format("15:04 MST"); w != test.winter || s != test.summer {
			t.Errorf("%s: %s in winter and %s in summer, want %s and %s", name, w, s, test.winter, test.summer)
		}
	}
}

func TestAPipeInPlaceOfTheZoneHoldsNobodyUp(t *testing.T) {
	f := device(t, map[string]string{"etc/TZ": "-> /dev/zero"})
	if z := f.Zone("", false); z != nil {
		t.Errorf("got %v", z)
	}
}

// TestNamedZonesAreWhatTheDatabaseSays compares the table with the database of the machine that tests.
func TestNamedZonesAreWhatTheDatabaseSays(t *testing.T) {
	compared := 0
	for line := range strings.Lines(zones) {
		fields := strings.Fields(line)
		for _, name := range fields[1:] {
			ours := zoneOf(name, fields[0])
			if ours == nil {
				t.Errorf("%s: no zone of %s", name, fields[0])
				continue
			}
			theirs, err := time.LoadLocation(name)
			if err != nil {
				continue // not every database has every old name
			}
			if name == "Africa/Casablanca" || name == "Africa/El_Aaiun" {
				continue // Morocco's clocks follow Ramadan, which no rule can say
			}
			compared++
			for day := range 366 {
				at := winter.AddDate(0, 0, day)
				if our, their := at.In(ours).Format(time.RFC3339), at.In(theirs).Format(time.RFC3339); our != their {
					t.Errorf("%s: %s is said to be %s", name, their, our)
					break
				}
			}
		}
	}
	if compared < 300 {
		t.Errorf("only %d zones were compared", compared)
	}
}
