//go:build linux

package interop

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/bencode"
)

// Opentracker is a tracker for HTTP (BEP 23) and UDP (BEP 15) on one port, with one list of peers for both.
//
// As Debian builds it: it serves only the info-hashes of a whitelist (others get a failure reason over HTTP, and over
// UDP an announce response cut short after its transaction id); it refuses to run as root; it asks for an announce
// every 30 minutes or so, and for none before half of that; it records the source address of an announce, whatever the
// announce says; it answers an announce with all peers of the swarm, the asker included.
type Opentracker struct {
	*Process
	at        netip.AddrPort
	whitelist string // path
}

// StartOpentracker starts a tracker that serves no swarm yet. A caller that is root runs it as nobody, who must be able
// to enter at.Dir.
func StartOpentracker(ctx context.Context, at Place) (*Opentracker, error) {
	port, err := freePort(at.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting opentracker: %w", err)
	}
	o := &Opentracker{at: netip.AddrPortFrom(at.Addr, port), whitelist: filepath.Join(at.Dir, "whitelist.txt")}
	config := fmt.Sprintf("listen.tcp_udp %v\naccess.whitelist whitelist.txt\ntracker.rootdir %s\n", o.at, at.Dir)
	if err := os.WriteFile(filepath.Join(at.Dir, "opentracker.conf"), []byte(config), 0o644); err != nil {
		return nil, fmt.Errorf("starting opentracker: %w", err)
	}
	// An empty list is an error to it, so there is a first swarm, which nobody is in.
	if err := os.WriteFile(o.whitelist, []byte(swarm.InfoHash{}.String()+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("starting opentracker: %w", err)
	}
	c := command{name: "opentracker", dir: at.Dir, args: []string{"opentracker", "-f", "opentracker.conf"}}
	if os.Geteuid() == 0 {
		if c.user, err = nobody(); err != nil {
			return nil, fmt.Errorf("starting opentracker: %w", err)
		}
	}
	if o.Process, err = start(c); err != nil {
		return nil, err
	}
	return o, o.ready(ctx, func(ctx context.Context) error {
		_, err := o.Members(ctx, swarm.InfoHash{})
		return err
	})
}

// Serve adds swarms to those that are served.
func (o *Opentracker) Serve(ctx context.Context, swarms ...swarm.InfoHash) error {
	list, err := os.OpenFile(o.whitelist, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opentracker's whitelist: %w", err)
	}
	for _, h := range swarms {
		if _, err := fmt.Fprintln(list, h.String()); err != nil {
			return fmt.Errorf("opentracker's whitelist: %w", errors.Join(err, list.Close()))
		}
	}
	if err := list.Close(); err != nil {
		return fmt.Errorf("opentracker's whitelist: %w", err)
	}
	if err := o.signal(syscall.SIGHUP); err != nil {
		return err
	}
	return o.await(ctx, readyLimit, "to read its whitelist", func(ctx context.Context) error {
		for _, h := range swarms {
			if _, err := o.Members(ctx, h); err != nil {
				return err
			}
		}
		return nil
	})
}

func nobody() (*syscall.Credential, error) {
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// HTTP is the announce URL for HTTP.
func (o *Opentracker) HTTP() string { return "http://" + o.at.String() + "/announce" }

// UDP is the announce URL for UDP.
func (o *Opentracker) UDP() string { return "udp://" + o.at.String() + "/announce" }

// Members says under which addresses the swarm's peers are known, by joining it, from the tracker's own address, and
// leaving it at once.
func (o *Opentracker) Members(ctx context.Context, h swarm.InfoHash) ([]netip.AddrPort, error) {
	members, err := o.announce(ctx, h, "started")
	if err != nil {
		return nil, err
	}
	if _, err := o.announce(ctx, h, "stopped"); err != nil {
		return nil, err
	}
	return members, nil
}

// askPort is the port that Members announces; no peer listens there.
const askPort = 1

func (o *Opentracker) announce(ctx context.Context, h swarm.InfoHash, event string) ([]netip.AddrPort, error) {
	query := url.Values{
		"info_hash": {string(h[:])}, "peer_id": {"-IT0001-asks-for-list"[:20]}, "port": {strconv.Itoa(askPort)}, "event": {event},
		"uploaded": {"0"}, "downloaded": {"0"}, "left": {"1"}, "compact": {"1"}, "numwant": {"200"},
	}
	// To opentracker a + is a +, not a space.
	body, err := get(ctx, o.at.Addr(), o.HTTP()+"?"+strings.ReplaceAll(query.Encode(), "+", "%20"))
	if err != nil {
		return nil, fmt.Errorf("announcing to %v: %w", o.at, err)
	}
	var answer struct {
		Failure string `bencode:"failure reason"`
		Peers   []byte `bencode:"peers"`
	}
	if err := bencode.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("announcing to %v: %w", o.at, err)
	}
	if answer.Failure != "" {
		return nil, fmt.Errorf("announcing to %v: %s", o.at, answer.Failure)
	}
	var members []netip.AddrPort
	for r := bytes.NewReader(answer.Peers); r.Len() > 0; {
		var compact struct {
			Addr [4]byte
			Port uint16
		}
		if err := binary.Read(r, binary.BigEndian, &compact); err != nil {
			return nil, fmt.Errorf("announcing to %v: compact peers: %w", o.at, err)
		}
		member := netip.AddrPortFrom(netip.AddrFrom4(compact.Addr), compact.Port)
		if member != netip.AddrPortFrom(o.at.Addr(), askPort) {
			members = append(members, member)
		}
	}
	return members, nil
}

// get is one HTTP request over a connection of its own that leaves from the given address.
func get(ctx context.Context, from netip.Addr, url string) ([]byte, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", response.Status)
	}
	return io.ReadAll(response.Body)
}
