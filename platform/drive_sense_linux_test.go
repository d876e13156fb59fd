package platform

import (
	"encoding/hex"
	"strings"
	"testing"
)

// senseData reads sense data as tools print them.
func senseData(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const (
	sataStandby = "72 01 00 1d 00 00 00 0e 09 0c 00 00 00 00 00 00 00 00 00 00 00 50"
	sataIdle    = "72 01 00 1d 00 00 00 0e 09 0c 00 00 00 ff 00 00 00 00 00 00 00 50"
	usbStandby  = "f0 00 01 00 50 40 00 0a 80 00 00 00 00 1d 00 00 00 00"
	usbActive   = "70 00 01 00 50 40 ff 0a 00 00 00 00 00 1d 00 00 00 00"
	unknownCode = "70 00 05 00 00 00 00 0a 00 00 00 00 20 00 00 00 00 00"
)

func TestSenseDataTellThePowerMode(t *testing.T) {
	const (
		asleep  = "asleep"
		awake   = "awake"
		unknown = "unknown"
	)
	for name, c := range map[string]struct{ sense, want string }{
		"SATA, Standby_z":                        {sataStandby, asleep},
		"SATA, Standby_y":                        {"72 01 00 1d 00 00 00 0e 09 0c 00 00 00 01 00 00 00 00 00 00 00 50", asleep},
		"SATA, idle_a":                           {"72 01 00 1d 00 00 00 0e 09 0c 00 00 00 81 00 00 00 00 00 00 00 50", awake},
		"SATA, idle":                             {"72 01 00 1d 00 00 00 0e 09 0c 00 00 00 80 00 00 00 00 00 00 00 50", awake},
		"SATA, active or idle":                   {sataIdle, awake},
		"SATA, NV cache with the disk spun down": {"72 01 00 1d 00 00 00 0e 09 0c 00 00 00 40 00 00 00 00 00 00 00 50", awake},
		"deferred format":                        {"73 01 00 1d 00 00 00 0e 09 0c 00 00 00 00 00 00 00 00 00 00 00 50", unknown},
		"a descriptor of another kind before":    {"72 01 00 1d 00 00 00 1c 00 0c 80 00 00 ff 00 00 00 00 00 00 00 50 09 0c 00 00 00 00 00 00 00 00 00 00 00 50", asleep},
		"aborted by the disk":                    {"72 0b 00 00 00 00 00 0e 09 0c 00 04 00 00 00 00 00 00 00 00 00 51", unknown},
		"busy":                                   {"72 01 00 1d 00 00 00 0e 09 0c 00 00 00 00 00 00 00 00 00 00 00 d0", unknown},
		"with data to fetch, which it has not":   {"72 01 00 1d 00 00 00 0e 09 0c 00 00 00 00 00 00 00 00 00 00 00 58", unknown},
		"device fault":                           {"72 01 00 1d 00 00 00 0e 09 0c 00 00 00 00 00 00 00 00 00 00 00 70", unknown},
		"a descriptor of nothing but zeros":      {"72 01 00 1d 00 00 00 0e 09 0c 00 00 00 00 00 00 00 00 00 00 00 00", unknown},
		"USB, standby":                           {usbStandby, asleep},
		"USB, active":                            {usbActive, awake},
		"USB, the field is not of ATA":           {"f0 00 01 00 50 40 00 0a 80 00 00 00 04 1d 00 00 00 00", unknown},
		"USB, no word on whose the field is":     {"f0 00 01 00 50 40 00 0a 80 00 00 00 00 00 00 00 00 00", unknown},
		"USB, nothing but zeros":                 {"70 00 01 00 00 00 00 0a 00 00 00 00 00 1d 00 00 00 00", unknown},
		"USB, the command is not known":          {unknownCode, unknown},
		"fixed, at the place where Linux had it before 6.11": {"70 00 01 00 00 00 00 0a 00 50 40 00 00 1d 00 00 00 00", unknown},
		"cut short, descriptor":                              {"72 01 00 1d 00 00 00 0e 09 0c 00 00 00 00 00 00 00 00 00 00 00", unknown},
		"cut short, descriptor by its own length":            {"72 01 00 1d 00 00 00 0d 09 0c 00 00 00 00 00 00 00 00 00 00 00 50", unknown},
		"a descriptor that is too short":                     {"72 01 00 1d 00 00 00 0e 09 0b 00 00 00 00 00 00 00 00 00 00 00 50", unknown},
		"a length beyond the end":                            {"72 01 00 1d 00 00 00 ff 00 ff 00 00 00 00 00 00 00 00 00 00 00 50", unknown},
		"cut short, fixed":                                   {"f0 00 01 00 50 40 00 0a 80 00 00 00 00", unknown},
		"empty":                                              {"", unknown},
		"all zeros":                                          {strings.Repeat("00", 64), unknown},
		"all ones":                                           {strings.Repeat("ff", 64), unknown},
	} {
		t.Run(name, func(t *testing.T) {
			got := unknown
			if answer, ok := parseSense(senseData(t, c.sense)); ok {
				switch yes, err := answer.standby(); {
				case err == nil && yes:
					got = asleep
				case err == nil:
					got = awake
				}
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func FuzzSense(f *testing.F) {
	for _, seed := range []string{sataStandby, sataIdle, usbStandby, usbActive, unknownCode} {
		f.Add(senseData(f, seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		answer, ok := parseSense(data)
		if !ok {
			return
		}
		asleep, err := answer.standby()
		// A disk is asleep only on the word of a disk that is ready.
		if asleep && (err != nil || answer.status&0x40 == 0 || len(data) < 14) {
			t.Errorf("% x: asleep, %v", data, err)
		}
	})
}
