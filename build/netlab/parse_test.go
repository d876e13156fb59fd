//go:build linux

package netlab

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeviceBytes(t *testing.T) {
	const table = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
 wan10:       7       1    0    0    0     0          0         0        8       1    0    0    0     0       0          0
  wan1:123456789012  12    0    0    0     0          0         0       34       5    0    0    0     0       0          0
`
	rx, tx, err := deviceBytes([]byte(table), "wan1")
	if err != nil || rx != 123456789012 || tx != 34 {
		t.Errorf("received %d, sent %d, %v", rx, tx, err)
	}
	for _, bad := range []string{"", "wan1: 1 2 3\n", "wan1: x 1 0 0 0 0 0 0 34 5 0 0 0 0 0 0\n", table[:60]} {
		if _, _, err := deviceBytes([]byte(bad), "wan1"); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestListening(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 027100CB:1451 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0
   1: 027100CB:C8D5 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 12346 1 0 100 0 0 10 0
`
	for port, want := range map[int]bool{0x1451: true, 0xC8D5: false, 0x451: false, 80: false} {
		if got := listening(table, port); got != want {
			t.Errorf("port %d: %v, want %v", port, got, want)
		}
	}
}

func TestParseIperf(t *testing.T) {
	// What a receiving iperf3 3.12 reports, less what nobody reads.
	const tcp = `{"intervals":[{"sum":{"seconds":1.0,"bits_per_second":9567000}},{"sum":{"seconds":1.0,"bits_per_second":8000}},{"sum":{"seconds":0.1,"bits_per_second":1}}],
		"end":{"sum_received":{"seconds":2.1,"bits_per_second":8000000,"bytes":2100000}}}`
	r, err := parseIperf([]byte(tcp))
	if err != nil || r.Speed != 1e6 || r.Lost != 0 || !slices.Equal(r.PerSecond, []float64{9567000. / 8, 1000}) {
		t.Errorf("%+v, %v", r, err)
	}
	const udp = `{"intervals":[],"end":{"sum_received":{"seconds":2,"bits_per_second":2000000,"lost_percent":25}}}`
	if r, err := parseIperf([]byte(udp)); err != nil || r.Speed != 250000 || r.Lost != 0.25 {
		t.Errorf("%+v, %v", r, err)
	}
	for report, want := range map[string]string{
		`{"error":"unable to connect to server","end":{}}`: "unable to connect",
		`{"end":{}}`: "lacks",
		``:           "reading",
	} {
		if _, err := parseIperf([]byte(report)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", report, err, want)
		}
	}
}

func TestEchoReply(t *testing.T) {
	request := echoRequest(7, 300)
	var sum uint32
	for i := 0; i < len(request); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(request[i:]))
	}
	if sum = sum>>16 + sum&0xffff; sum != 0xffff {
		t.Errorf("the checksum is wrong: %#x", sum)
	}
	answer := append(make([]byte, 24), request...) // an IPv4 header with one option
	answer[0] = 0x46
	answer[24] = icmpEchoReply
	if seq, ours := echoReply(answer, 7); !ours || seq != 300 {
		t.Errorf("sequence number %d, ours: %v", seq, ours)
	}
	if _, ours := echoReply(answer, 8); ours {
		t.Error("somebody else's answer is taken for ours")
	}
	if _, ours := echoReply(answer[:25], 7); ours {
		t.Error("a short packet is an answer")
	}
	answer[24] = icmpEchoRequest
	if _, ours := echoReply(answer, 7); ours {
		t.Error("a question is taken for an answer")
	}
}

func TestOwner(t *testing.T) {
	for name, want := range map[string]int{
		prefix + "1234-1-router": 1234, prefix + "77-2": 77,
		prefix + "0-1": 0, "ebb-netlab": 0, "other-1234-1": 0, prefix + "-1": 0, prefix + "x-1": 0, prefix: 0,
	} {
		pid, ours := owner(name)
		if ours != (want != 0) || ours && pid != want {
			t.Errorf("%s: process %d, ours: %v, want %d", name, pid, ours, want)
		}
	}
}

func TestBucket(t *testing.T) {
	line := HomeLine()
	if got, want := strings.Join(line.bucket(line.Up), " "), "tbf rate 1250000bps burst 1764 limit 625000"; got != want {
		t.Errorf("each packet takes its time: %q, want %q", got, want)
	}
	line.Burst = 16_000
	if got, want := strings.Join(line.bucket(line.Down), " "), "tbf rate 6250000bps burst 16000 limit 3125000"; got != want {
		t.Errorf("a token bucket: %q, want %q", got, want)
	}
	if got := strings.Join(Line{}.bucket(MBit), " "); !strings.HasSuffix(got, "limit 3028") {
		t.Errorf("no buffer: %q, want room for two packets", got)
	}
}

func TestBurstsComeFromTheSeed(t *testing.T) {
	a, b, other := Web{Seed: 1}.bursts(1000), Web{Seed: 1}.bursts(1000), Web{Seed: 2}.bursts(1000)
	if !slices.Equal(a, b) || slices.Equal(a, other) {
		t.Error("the seed does not decide")
	}
	if !slices.Equal(a[:10], Web{Seed: 1}.bursts(10)) {
		t.Error("a shorter run begins otherwise")
	}
	var sizes []int64
	for _, x := range a {
		if x.size < burstLeast || x.size > burstMost || x.pause < 0 || x.pause > pauseMost {
			t.Fatalf("%+v", x)
		}
		sizes = append(sizes, x.size)
	}
	if m := quantile(sizes, 0.5); m < 170e3 || m > 230e3 {
		t.Errorf("median size %d", m)
	}
}

// A subject that comes back late is waited for, one that does not is given up after d.After.
func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &House{d: Durations{After: 10 * time.Second}}
		began := time.Now()
		took, err := h.until(t.Context(), began, func() (time.Time, bool) {
			return began.Add(3 * time.Second), time.Since(began) >= 4*time.Second
		})
		if err != nil || took != 3*time.Second || time.Since(began) != 4*time.Second {
			t.Errorf("%v after %v, %v", took, time.Since(began), err)
		}
		began = time.Now()
		took, err = h.until(t.Context(), began, func() (time.Time, bool) { return time.Time{}, false })
		if waited := time.Since(began); err != nil || took != Never || waited < 11*time.Second || waited > 12*time.Second {
			t.Errorf("%v after %v, %v", took, waited, err)
		}
	})
}

func TestParseMachineTime(t *testing.T) {
	got, err := parseMachineTime("cpu  10 1 5 100 50 2 3 4 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	if want := (machineTime{busy: 25, total: 175}); err != nil || got != want {
		t.Errorf("%+v, want %+v, %v", got, want, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3\n", "cpu0 1 2 3 4 5 6 7 8\n", "cpu x 2 3 4 5 6 7 8\n"} {
		if _, err := parseMachineTime(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
