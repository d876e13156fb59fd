package foreground

import (
	"log/slog"
	"math"
	"math/bits"
	"net/netip"
	"time"

	"github.com/cenkalti/rain/v2/torrent"

	"ebb/agent/foreground/door"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/memory"
)

const (
	// resumeInterval is how often rain saves what it holds. Each time it writes about 20 kB per torrent, even when
	// nothing has changed (measured: 95 kB for five idle ones). Every five seconds that would be 1.6 GB a day on a
	// router's flash; now it is 9 MB. Orderly stops, and torrents that complete, are saved at once, and what an unclean
	// stop loses is found again by hashing.
	resumeInterval = 15 * time.Minute
)

// rain's log is one variable of the whole process, which may only be set while no session runs.
func init() { torrent.DisableLogging() }

// Ledger is where space is reserved: a disk.Ledger, and somebody who takes what it reclaims for that.
type Ledger interface {
	// Reserve promises room to a download, in place of what was promised to it before. remaining says how many of its
	// bytes are not on disk yet; it may be called from any goroutine at any time until Withdraw, and does not wait for
	// anything but the disk, nor for that long. The error is shown to the owner.
	Reserve(h swarm.InfoHash, remaining func() int64) error
	// Withdraw ends a reservation.
	Withdraw(h swarm.InfoHash)
}

// Door takes in and dials the connections of downloads; satisfied by *door.Door.
type Door interface {
	Put(door.Swarm)
	Remove(swarm.InfoHash)
	Found(swarm.InfoHash, []netip.AddrPort)
	Peers(swarm.InfoHash) map[netip.Addr]door.Peer
}

// Config says how to run the downloads.
type Config struct {
	// Directory is where the owner's files go. It is created if needed.
	Directory string
	// Present says why a directory may not be worked in just now, since its disk is away; nil means that all may.
	Present func(directory string) error
	// Database is the path of rain's database. A small file next to it, with the suffix .state, holds what rain does
	// not: see state. And the directory with the suffix .places holds where the files are: see files.Store.
	Database string
	// Host is the IPv4 address of this machine at which rain takes what the door carries to it; nobody else should reach it.
	Host string
	// Each torrent has its own port there, from PortBegin up to but not including PortEnd. A torrent keeps its port.
	PortBegin, PortEnd uint16
	// MemoryTotal is the memory of the device in bytes, which rain's buffers are sized by. 0 means unknown, and small
	// buffers.
	MemoryTotal int64
	Ledger      Ledger
	// FragmentsApart says whether the pieces that Adopt gets are on another file system than Directory, so that placing
	// them frees no room here; nil means that they are not.
	FragmentsApart func() bool
	// Door is where connections of downloads come in, at PeerPort, and are dialled.
	Door     Door
	PeerPort uint16
	// CheckURL says which trackers and web seeds, as named by torrents and magnet links, may be contacted; the others
	// are left out. nil means all. It sees names, not what they resolve to: rain resolves them itself.
	CheckURL func(url string) error
	// Log gets what may interest a developer; nil means nobody.
	Log *slog.Logger
}

// PortsBeside is the range of ports for the owner's torrents, one each: the thousand above the peer port, or below it
// where there are not as many.
func PortsBeside(peer uint16) (begin, end uint16) {
	const count = 1000
	if peer > 65535-count {
		return peer - count, peer - 1
	}
	return peer + 1, peer + count
}

// withDefaults fills in what may be left out.
func (cfg Config) withDefaults() Config {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Present == nil {
		cfg.Present = func(string) error { return nil }
	}
	if cfg.FragmentsApart == nil {
		cfg.FragmentsApart = func() bool { return false }
	}
	if cfg.CheckURL == nil {
		cfg.CheckURL = func(string) error { return nil }
	}
	return cfg
}

// rain returns the configuration of the session.
func (cfg Config) rain(files *storage) torrent.Config {
	c := torrent.DefaultConfig
	c.Database = cfg.Database
	useStorage(&c, files)
	c.Host = cfg.Host
	c.PortBegin, c.PortEnd = cfg.PortBegin, cfg.PortEnd
	// rain would lower the hard limit to this number or fail; and Go has already raised the soft limit to the hard one.
	c.MaxOpenFiles = 0
	c.ResumeOnStartup = false // space is reserved first
	c.ResumeWriteInterval = resumeInterval
	// rain ends the process when a torrent's loop stalls, as on a slow USB disk.
	c.HealthCheckInterval = math.MaxInt64
	c.HealthCheckTimeout = math.MaxInt64
	c.RPCEnabled = false
	c.DHTEnabled = false // the agent has one DHT node for everything
	c.MaxTorrentSize = peerwire.MaxTorrentFile
	c.MaxPieces = peerwire.MaxPieces
	c.MaxMetadataSize = nestingLimit(cfg.MemoryTotal)
	c.PEXEnabled = false // it would tell of addresses that the door has made up
	c.ReadCacheSize = memory.ReadCache(cfg.MemoryTotal)
	c.WriteCacheSize = memory.WriteCache(cfg.MemoryTotal)
	c.MaxPeerAccept = 2 * door.SwarmConns // the door counts them; rain is late to notice that one has ended
	return c
}

// nestingLimit returns the longest message, and so the longest metadata, that rain may take from a peer, in bytes. rain
// decodes nested lists by recursion, so a hostile message costs about 520 bytes of stack per byte, or 260 on 32-bit
// machines, and Go ends the process when a stack would pass 512 or 128 MiB. The limit also bounds which magnet links
// work: most metadata is under 200 kB.
func nestingLimit(memory int64) uint {
	most := int64(960 << 10)
	if bits.UintSize == 32 {
		most = 448 << 10
	}
	return uint(min(max(memory/2048, 256<<10), most))
}
