package foreground

import (
	"math/bits"
	"testing"
	"time"
)

func TestRainIsConfiguredForTheDevice(t *testing.T) {
	router := Config{MemoryTotal: 128 << 20}.rain(&storage{})
	if got := router.ReadCacheSize + router.WriteCacheSize; got > 24<<20 {
		t.Errorf("on a router with 128 MiB the caches are %d MiB", got>>20)
	}
	nas := Config{MemoryTotal: 16 << 30}.rain(&storage{})
	if got := nas.ReadCacheSize + nas.WriteCacheSize; got > 512<<20 {
		t.Errorf("on a NAS with 16 GiB the caches are %d MiB", got>>20)
	}
	// What the kernel calls 64, 128, 256 and 512 MB, and no answer.
	for memory, most := range map[int64]int64{58 << 20: 10, 120 << 20: 20, 250 << 20: 24, 490 << 20: 46, 0: 18} {
		c := Config{MemoryTotal: memory}.rain(&storage{})
		got := c.ReadCacheSize + c.WriteCacheSize
		if got > most<<20 {
			t.Errorf("with %d MiB of memory the caches are %d MiB, want at most %d", memory>>20, got>>20, most)
		}
		// 16 MiB are the longest pieces that are common; a device of 64 MB cannot have them.
		if piece := int64(16 << 20); memory != 58<<20 && c.WriteCacheSize < piece {
			t.Errorf("with %d MiB of memory, pieces of 16 MiB cannot be downloaded", memory>>20)
		}
	}
	for _, cfg := range []struct {
		name string
		bad  bool
	}{
		{"DHT", router.DHTEnabled},
		{"RPC", router.RPCEnabled},
		{"peer exchange", router.PEXEnabled},
		{"open files limit", router.MaxOpenFiles != 0},
		{"starting by itself", router.ResumeOnStartup},
		{"health check within a year", router.HealthCheckTimeout < 365*24*time.Hour || router.HealthCheckInterval < 365*24*time.Hour},
	} {
		if cfg.bad {
			t.Errorf("rain's %s is on", cfg.name)
		}
	}
}

func TestNestedMessagesCannotExhaustTheStack(t *testing.T) {
	perByte, stack := int64(520), int64(512<<20)
	if bits.UintSize == 32 {
		perByte, stack = 260, 128<<20
	}
	for _, memory := range []int64{0, 64 << 20, 1 << 30, 1 << 40} {
		if n := int64(nestingLimit(memory)); n < 256<<10 || n*perByte > stack {
			t.Errorf("with %d bytes of memory, messages may have %d bytes", memory, n)
		}
	}
}
