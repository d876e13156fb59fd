package platform

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	gopsutil "github.com/shirou/gopsutil/v3/net"
)

func TestCountersAreReadAgainAndAgain(t *testing.T) {
	f := tree(t, map[string]string{
		netFile("wan", "ifindex"): "7\n", netFile("wan", "statistics/rx_bytes"): "100\n", netFile("wan", "statistics/tx_bytes"): "18446744073709551615\n",
	})
	c := f.Counters("wan")
	defer c.Close()
	if got, err := c.Read(); err != nil || got != (Traffic{7, 100, math.MaxUint64}) {
		t.Errorf("got %+v, %v", got, err)
	}
	write(t, filepath.Join(f.Sys, "class/net/wan/statistics/rx_bytes"), "123456\n")
	if got, err := c.Read(); err != nil || got != (Traffic{7, 123456, math.MaxUint64}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCountersOfAnInterfaceThatGoesAndReturns(t *testing.T) {
	f := tree(t, nil)
	c := f.Counters("ppp0")
	defer c.Close()
	if got, err := c.Read(); err == nil {
		t.Errorf("not there yet: got %+v", got)
	}
	dir := filepath.Join(f.Sys, "class/net/ppp0")
	appear := func(index, received string) {
		write(t, dir+"/ifindex", index)
		write(t, dir+"/statistics/rx_bytes", received)
		write(t, dir+"/statistics/tx_bytes", "5\n")
	}
	appear("7\n", "1000\n")
	if got, err := c.Read(); err != nil || got != (Traffic{7, 1000, 5}) {
		t.Errorf("got %+v, %v", got, err)
	}
	// The kernel answers ENODEV from files of an interface that has gone. Here, an empty file is what cannot be read.
	if err := os.Truncate(dir+"/statistics/rx_bytes", 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := c.Read(); err == nil {
			t.Errorf("gone: got %+v", got)
		}
	}
	appear("9\n", "10\n")
	if got, err := c.Read(); err != nil || got != (Traffic{9, 10, 5}) {
		t.Errorf("back: got %+v, %v", got, err)
	}
	c.Close()
	if got, err := c.Read(); err != nil || got != (Traffic{9, 10, 5}) {
		t.Errorf("after Close: got %+v, %v", got, err)
	}
}

func TestCountersThatAreNoCountsAreErrors(t *testing.T) {
	for _, text := range []string{"", "\n", "-1\n", "12 13\n", "18446744073709551616\n", "9999999999999999999999999999999999999999\n", "x\n"} {
		f := tree(t, map[string]string{
			netFile("wan", "ifindex"): "7\n", netFile("wan", "statistics/rx_bytes"): "100\n", netFile("wan", "statistics/tx_bytes"): text,
		})
		c := f.Counters("wan")
		if got, err := c.Read(); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
		if c.received != nil || c.sent != nil {
			t.Errorf("%q: files stay open", text)
		}
	}
}

func TestCountersOfThisMachineAgreeWithGopsutil(t *testing.T) {
	c := System.Counters("lo")
	defer c.Close()
	before, err := c.Read()
	if err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	all, err := gopsutil.IOCounters(true)
	if err != nil {
		t.Fatal(err)
	}
	after, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if one.Name == "lo" && (one.BytesRecv < before.Received || one.BytesRecv > after.Received || one.BytesSent < before.Sent || one.BytesSent > after.Sent) {
			t.Errorf("%d and %d are not within %+v and %+v", one.BytesRecv, one.BytesSent, before, after)
		}
	}
}

func BenchmarkCounters(b *testing.B) {
	c := System.Counters("lo")
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Read(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCountersByGopsutil(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gopsutil.IOCounters(true); err != nil {
			b.Fatal(err)
		}
	}
}
