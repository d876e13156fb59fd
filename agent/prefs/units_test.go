package prefs_test

import (
	"encoding"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ebb/agent/prefs"
)

// text is what a value marshals to.
func text(t interface{ Fatalf(string, ...any) }, value encoding.TextMarshaler) string {
	b, err := value.MarshalText()
	if err != nil {
		t.Fatalf("%#v: %v", value, err)
	}
	return string(b)
}

func TestSizeReadsIECAndSIUnits(t *testing.T) {
	for in, want := range map[string]int64{
		"0":                   0,
		"1024":                1024,
		"7B":                  7,
		"64MiB":               64 << 20,
		"20GiB":               20 << 30,
		"20 GiB":              20 << 30,
		" 20gib ":             20 << 30,
		"1.5GB":               1_500_000_000,
		"1.5KiB":              1536,
		"0.000000001GB":       1,
		"1.1GiB":              1181116006, // rounded down
		"2kB":                 2000,
		"3TB":                 3_000_000_000_000,
		"7.999999999EiB":      9223372035701854303,
		"9223372036854775807": math.MaxInt64,
	} {
		var s prefs.Size
		if err := s.UnmarshalText([]byte(in)); err != nil || int64(s) != want {
			t.Errorf("%q: got %d, %v; want %d", in, int64(s), err, want)
		}
	}
}

func TestSizeRefusesWhatIsNotOne(t *testing.T) {
	for _, in := range []string{
		"", "GiB", "20GX", "20G", "-1", "-1GiB", "+1", "1.5", "1.GiB", ".5GiB", "1..5GiB", "1e9", "0x10", "10%",
		"8EiB", "9223372036854775808", "99999999999999999999GiB", "1.0000000001GiB", "1GiB GiB", "unlimited", "١GiB", "5Mbit",
	} {
		s := prefs.Size(42)
		if err := s.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %d", in, int64(s))
		} else if s != 42 {
			t.Errorf("%q: refused, but the size became %d", in, int64(s))
		}
	}
}

func TestSizePrintsTheShortestExactForm(t *testing.T) {
	for size, want := range map[prefs.Size]string{
		0:                      "0",
		1:                      "1",
		1000:                   "1kB",
		1024:                   "1KiB",
		1025:                   "1025",
		1536:                   "1536",
		64 << 20:               "64MiB",
		20 << 30:               "20GiB",
		3 << 29:                "1.5GiB",
		1_500_000_000:          "1.5GB",
		1_500_000_001:          "1500000001",
		math.MaxInt64:          "9223372036854775807",
		1 << 62:                "4EiB",
		1_050_000_000_000_000:  "1.05PB",
		10_000_000_000_000_000: "10PB",
	} {
		if got := text(t, size); got != want {
			t.Errorf("%d: got %q, want %q", int64(size), got, want)
		}
	}
}

func TestStorageNotSetIsNotZero(t *testing.T) {
	var unset, zero prefs.Storage
	if unset.IsSet() || unset.Bytes(1<<40) != 0 {
		t.Errorf("the zero value: set %v, %d bytes", unset.IsSet(), unset.Bytes(1<<40))
	}
	if err := zero.UnmarshalText([]byte("0")); err != nil {
		t.Fatal(err)
	}
	if !zero.IsSet() || zero.Bytes(1<<40) != 0 || zero == unset {
		t.Errorf("0: set %v, %d bytes", zero.IsSet(), zero.Bytes(1<<40))
	}
	if zero != prefs.StorageOf(0) || zero != prefs.StorageOf(-1) {
		t.Error("StorageOf(0) and StorageOf(-1) are not the 0 that an owner writes")
	}
}

func TestStorageIsASizeOrAShareOfTheDisk(t *testing.T) {
	const disk = 1000_000_000_000
	for _, c := range []struct {
		in    string
		total int64
		want  int64
		out   string
	}{
		{"20GiB", disk, 20 << 30, "20GiB"},
		{"20GiB", 0, 20 << 30, "20GiB"},
		{"10%", disk, disk / 10, "10%"},
		{" 2.50 %", disk, disk / 40, "2.5%"},
		{"0.01%", disk, disk / 10000, "0.01%"},
		{"100%", disk, disk, "100%"},
		{"0%", disk, 0, "0%"},
		{"50%", 3, 1, "50%"},
		{"50%", -5, 0, "50%"},
		{"100%", math.MaxInt64, math.MaxInt64, "100%"},
		{"", disk, 0, ""},
	} {
		var s prefs.Storage
		if err := s.UnmarshalText([]byte(c.in)); err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if got := s.Bytes(c.total); got != c.want {
			t.Errorf("%q of %d: got %d, want %d", c.in, c.total, got, c.want)
		}
		if got := text(t, s); got != c.out {
			t.Errorf("%q is printed %q, want %q", c.in, got, c.out)
		}
	}
	for _, in := range []string{"101%", "100.01%", "-1%", "%", "1.234%", "10%%", "1e1%", "99999999999999999999%", "20GX", "auto"} {
		var s prefs.Storage
		if err := s.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %v", in, s)
		}
	}
}

func TestAShareIsToldApartFromASize(t *testing.T) {
	for in, want := range map[string]float64{
		"": 0, "0": 0, "20GiB": 0, "0%": 0, "10%": 0.1, "2.5%": 0.025, "0.01%": 0.0001, "100%": 1,
	} {
		if got := mustParse[prefs.Storage](in).Share(); got != want {
			t.Errorf("%q: got %v, want %v", in, got, want)
		}
	}
}

func TestRateReadsBitsAndBytes(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
		out  string
	}{
		{"0", 0, "0"},
		{"0Mbit/s", 0, "0"},
		{"5Mbit/s", 625_000, "5Mbit/s"},
		{"5 mbit/s", 625_000, "5Mbit/s"},
		{"1Gbit/s", 125_000_000, "1Gbit/s"},
		{"2.5Gbit/s", 312_500_000, "2.5Gbit/s"},
		{"9bit/s", 1, "8bit/s"}, // rounded down to whole bytes
		{"4MiB/s", 4 << 20, "4MiB/s"},
		{"1MB/s", 1_000_000, "1MB/s"},
		{"1500B/s", 1500, "1.5kB/s"},
		{"1501B/s", 1501, "1501B/s"},
	} {
		var r prefs.Rate
		if err := r.UnmarshalText([]byte(c.in)); err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if r.BytesPerSecond() != c.want || r.Auto() || r.Unlimited() {
			t.Errorf("%q: got %d bytes/s, auto %v, unlimited %v", c.in, r.BytesPerSecond(), r.Auto(), r.Unlimited())
		}
		if got := text(t, r); got != c.out {
			t.Errorf("%q is printed %q, want %q", c.in, got, c.out)
		}
	}
}

func TestRateRefusesWhatIsNotOneOrCouldBeTwo(t *testing.T) {
	for _, in := range []string{
		"", "5", "5Mbit", "5Mb/s", "5kb/s", "5b/s", "5MB", "/s", "Mbit/s", "-5Mbit/s", "1bit/s", "0.5B/s", "2PiB/s", "off", "10%",
	} {
		var r prefs.Rate
		if err := r.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %v", in, r)
		}
	}
}

func TestRateThatWasForgottenIsOff(t *testing.T) {
	var r prefs.Rate
	if r.BytesPerSecond() != 0 || r.Auto() || r.Unlimited() || text(t, r) != "0" {
		t.Errorf("the zero value is %v", r)
	}
	if auto := prefs.AutoRate(); !auto.Auto() || auto.BytesPerSecond() != 0 || text(t, auto) != "auto" {
		t.Errorf("AutoRate is %v, %d bytes/s", auto, auto.BytesPerSecond())
	}
	if most := prefs.UnlimitedRate(); !most.Unlimited() || most.BytesPerSecond() != -1 || text(t, most) != "unlimited" {
		t.Errorf("UnlimitedRate is %v, %d bytes/s", most, most.BytesPerSecond())
	}
	if prefs.FixedRate(-3) != r || prefs.FixedRate(math.MaxInt64).BytesPerSecond() != 1<<50 {
		t.Error("FixedRate does not bring rates into range")
	}
}

func TestLimitIsASizeOrUnlimited(t *testing.T) {
	var l prefs.Limit
	if _, limited := l.Bytes(); limited || text(t, l) != "unlimited" {
		t.Errorf("the zero value is %v", l)
	}
	if err := l.UnmarshalText([]byte("500GiB")); err != nil || l != prefs.LimitTo(500<<30) {
		t.Errorf("got %v, %v", l, err)
	}
	if n, limited := l.Bytes(); n != 500<<30 || !limited {
		t.Errorf("got %d, %v", n, limited)
	}
	var d prefs.PerDay
	if err := d.UnmarshalText([]byte("2GiB/day")); err != nil || d != prefs.LimitPerDay(2<<30) || text(t, d) != "2GiB/day" {
		t.Errorf("got %v, %v", d, err)
	}
	if n, limited := d.Bytes(); n != 2<<30 || !limited {
		t.Errorf("got %d, %v", n, limited)
	}
	if n := d.BytesPerDay(); n != 2<<30 {
		t.Errorf("%v is %d bytes a day", d, n)
	}
	if err := d.UnmarshalText([]byte("unlimited")); err != nil || d != (prefs.PerDay{}) || d.BytesPerDay() != -1 {
		t.Errorf("got %v, %v: %d bytes a day", d, err, d.BytesPerDay())
	}
	for _, in := range []string{"", "2GiB", "unlimited/day", "2GiB/week", "/day", "-1/day"} {
		if err := d.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %v", in, d)
		}
	}
}

func TestHoursMayCrossMidnight(t *testing.T) {
	for _, c := range []struct {
		window  string
		in, out []string
	}{
		{"22:00-07:00", []string{"22:00", "23:59", "00:00", "06:59"}, []string{"07:00", "12:00", "21:59"}},
		{"09:30-17:00", []string{"09:30", "16:59"}, []string{"09:29", "17:00", "00:00"}},
		{"00:00-24:00", []string{"00:00", "23:59"}, nil},
		{"18:00-24:00", []string{"18:00", "23:59"}, []string{"17:59", "00:00"}},
		{"18:00-00:00", []string{"18:00", "23:59"}, []string{"17:59", "00:00"}},
	} {
		var h prefs.Hours
		if err := h.UnmarshalText([]byte(c.window)); err != nil {
			t.Errorf("%s: %v", c.window, err)
			continue
		}
		if got := text(t, h); got != c.window {
			t.Errorf("%s is printed %s", c.window, got)
		}
		for _, clock := range c.in {
			if !h.Contains(at(t, clock)) {
				t.Errorf("%s does not contain %s", c.window, clock)
			}
		}
		for _, clock := range c.out {
			if h.Contains(at(t, clock)) {
				t.Errorf("%s contains %s", c.window, clock)
			}
		}
	}
	for _, in := range []string{
		"", "22:00", "22:00-", "-07:00", "22-07", "22:00-7:00", "25:00-07:00", "22:60-07:00", "24:01-07:00", "22:00-07:00-08:00",
		"24:00-07:00", "07:00-07:00", "22.00-07.00", "+2:00-07:00", "22:00 - 07:00",
	} {
		var h prefs.Hours
		if err := h.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %v", in, h)
		}
	}
}

func TestBackgroundWithoutHoursMayAlwaysWork(t *testing.T) {
	var b prefs.Background
	if !b.InHours(at(t, "12:00")) {
		t.Error("not at noon")
	}
	b.Hours = make([]prefs.Hours, 2)
	for i, window := range []string{"22:00-07:00", "12:00-13:00"} {
		if err := b.Hours[i].UnmarshalText([]byte(window)); err != nil {
			t.Fatal(err)
		}
	}
	if !b.InHours(at(t, "12:30")) || !b.InHours(at(t, "23:00")) || b.InHours(at(t, "18:00")) {
		t.Error("the hours are not the windows together")
	}
}

func at(t *testing.T, clock string) time.Time {
	t.Helper()
	when, err := time.Parse("15:04", clock)
	if err != nil {
		t.Fatal(err)
	}
	return when.Add(59 * time.Second) // a minute belongs to its window to its last second
}

func TestUnitsReadBackWhatTheyPrint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		readsBack[prefs.Size](t, sizes().Draw(t, "size"))
		readsBack[prefs.Storage](t, storages().Draw(t, "storage"))
		readsBack[prefs.Rate](t, rates().Draw(t, "rate"))
		readsBack[prefs.Limit](t, limits().Draw(t, "limit"))
		readsBack[prefs.Hours](t, windows().Draw(t, "hours"))
	})
}

func readsBack[T interface {
	comparable
	encoding.TextMarshaler
}, P interface {
	*T
	encoding.TextUnmarshaler
}](t *rapid.T, value T) {
	var again T
	printed := text(t, value)
	if err := P(&again).UnmarshalText([]byte(printed)); err != nil || again != value {
		t.Fatalf("%#v is printed %q and read as %#v, %v", value, printed, again, err)
	}
}
