package memory

import "testing"

func TestGoLimitFitsTheMachine(t *testing.T) {
	for _, c := range []struct {
		total, want int64 // MiB
	}{
		{16, 12}, {32, 24}, // cgroups
		{58, 34}, {120, 60}, {250, 125}, {490, 245}, // what the kernel leaves of 64, 128, 256 and 512 MB
		{4 << 10, 2 << 10}, {24 << 10, 12 << 10},
	} {
		got := goLimit(c.total * mebi)
		if got != c.want*mebi {
			t.Errorf("of %d MiB, Go gets %d, want %d", c.total, got/mebi, c.want)
		}
		if caches := ReadCache(c.total*mebi) + WriteCache(c.total*mebi); got <= caches {
			t.Errorf("of %d MiB, Go gets %d, and downloads alone may take %d", c.total, got/mebi, caches/mebi)
		}
	}
}

func TestConnectionsFitTheMachine(t *testing.T) {
	for total, want := range map[int64]int{
		0: 50, -1: 50, 1: 20, 16 * mebi: 20, 58 * mebi: 58, 120 * mebi: 120, 200 * mebi: 200, 24 << 30: 200, 1 << 62: 200,
	} {
		if got := ConnectionsFor(total); got != want {
			t.Errorf("%d connections with %d bytes of memory, want %d", got, total, want)
		}
	}
}
