package background

import (
	"net/netip"
	"testing"
	"time"
)

func hostNumber(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}), 32)
}

func TestMetadataTakesAShareOfTheUploadHoweverManyAskForIt(t *testing.T) {
	const upload, piece = 2 << 20, 16 << 10
	for upload, most := range map[int64]int{upload: upload / tellingShare, 0: leastTelling, 1 << 40: mostTelling, -1: mostTelling} {
		told, tell := 0, newTelling()
		now := time.Unix(1e9, 0)
		for tenth := range 600 {
			for n := range 200 {
				if tell.allow(hostNumber(n%32), piece, upload, now.Add(time.Duration(tenth)*time.Second/10)) {
					told += piece
				}
			}
		}
		if told > 60*most+tellingBurst || told < 59*most-tellingBurst {
			t.Errorf("of an upload of %d B/s, %d bytes were told in a minute, want about %d a second", upload, told, most)
		}
	}
}

func TestAHostThatAsksAgainAndAgainLeavesMetadataForOthers(t *testing.T) {
	const piece = 16 << 10
	tell, now := newTelling(), time.Unix(1e9, 0)
	for range 10 * 60 { // ten minutes, 20 times a second
		for range 20 {
			tell.allow(hostNumber(1), piece, 1<<20, now)
		}
		now = now.Add(time.Second)
		if now.Unix()%60 == 0 {
			for n := range 4 { // somebody comes by, and needs four pieces
				if !tell.allow(hostNumber(int(now.Unix()/60)%1000+2), piece, 1<<20, now) {
					t.Fatalf("at %v, piece %d was refused to a host that had asked for nothing", now, n)
				}
			}
		}
	}
	if len(tell.hosts) > 20 {
		t.Errorf("%d hosts are remembered", len(tell.hosts))
	}
	for n := range 5000 {
		tell.allow(hostNumber(n), piece, 1<<20, now)
	}
	if len(tell.hosts) > mostTold {
		t.Errorf("%d hosts are remembered", len(tell.hosts))
	}
}

func TestWholeMetadataIsToldAtOnceWhileFewAsk(t *testing.T) {
	tell, now := newTelling(), time.Unix(1e9, 0)
	for n := range 16 { // 256 kB to one host
		if !tell.allow(hostNumber(1), 16<<10, 1<<20, now) {
			t.Fatalf("piece %d was refused", n)
		}
	}
}
