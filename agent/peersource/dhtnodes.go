package peersource

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/anacrolix/dht/v2/krpc"
)

// The nodes that the DHT knows are saved, so that a restart does not depend on bootstrap hosts: 38 bytes each (ID, IPv6
// or mapped IPv4 address, port), as in the 'nodes6' of BEP 32. The node's own ID is not saved: a new one per start is
// one thing less by which a household can be followed.

const (
	maxSavedNodes = 200
	nodeRecord    = 20 + 16 + 2
)

// saveNodes replaces the file at path, atomically and readable by the owner alone, with the first 200 of nodes.
func saveNodes(path string, nodes []krpc.NodeInfo) error {
	var b []byte
	for _, n := range nodes {
		addr, ok := netip.AddrFromSlice(n.Addr.IP)
		if !ok || n.Addr.Port < 1 || n.Addr.Port > 65535 {
			continue
		}
		if len(b) == maxSavedNodes*nodeRecord {
			break
		}
		b = append(b, n.ID[:]...)
		ip := addr.As16()
		b = append(b, ip[:]...)
		b = append(b, byte(n.Addr.Port>>8), byte(n.Addr.Port))
	}
	return replaceFile(path, b)
}

// loadNodes reads what saveNodes wrote, and keeps what guard allows. No file is no error.
func loadNodes(path string, guard Guard) ([]krpc.NodeInfo, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSavedNodes*nodeRecord+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxSavedNodes*nodeRecord || len(b)%nodeRecord != 0 {
		return nil, fmt.Errorf("%s is not a list of DHT nodes", path)
	}
	var nodes []krpc.NodeInfo
	for ; len(b) > 0; b = b[nodeRecord:] {
		addr := netip.AddrFrom16([16]byte(b[20:36])).Unmap()
		port := uint16(b[36])<<8 | uint16(b[37])
		if !guard.allowAddrPort(netip.AddrPortFrom(addr, port)) {
			continue
		}
		nodes = append(nodes, krpc.NodeInfo{
			ID:   krpc.ID(b[:20]),
			Addr: krpc.NodeAddr{IP: addr.AsSlice(), Port: int(port)},
		})
	}
	return nodes, nil
}

// replaceFile writes a file under another name (mode 0600), and puts it in place once it is on the disk: after a power
// cut there is the old file or the new one.
func replaceFile(path string, content []byte) error {
	// Always the same name: what a power cut leaves behind, the next save overwrites.
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
