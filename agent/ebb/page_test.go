package main

import (
	"net"
	"slices"
	"testing"

	"ebb/agent/records"
	"ebb/webui"
)

func TestPagePrintsALinkThatLetsIn(t *testing.T) {
	h := newHousehold(t)
	h.write(records.AddressFile, "http://127.0.0.1:8088/\n")
	token, err := webui.ReadToken(h.state + "/" + webui.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, h.does("page"), "http://127.0.0.1:8088/#token="+token+"\n", "keep it to yourself")
}

func TestThePageIsAtEachPrivateAddressIfItListensOnAll(t *testing.T) {
	network := func(text string) net.Addr {
		ip, n, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = ip
		return n
	}
	addrs := []net.Addr{network("127.0.0.1/8"), network("192.168.1.2/24"), network("203.0.113.7/24"), network("fe80::1/64"), network("fd00::1/64")}
	const served = "http://127.0.0.1:8088/"
	all := []string{"http://192.168.1.2:8088/", "http://[fd00::1]:8088/", served}
	for preferred, want := range map[string][]string{
		":8088": all, "0.0.0.0:8088": all, "[::]:0": all, "127.0.0.1:8088": {served}, "nas.lan:8088": {served},
	} {
		if got := pageURLs(served, preferred, addrs); !slices.Equal(got, want) {
			t.Errorf("%s: %q", preferred, got)
		}
	}
}
