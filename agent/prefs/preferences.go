package prefs

import (
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"ebb/agent/swarm"
)

// Preferences is everything that the owner decides. The tags are the names in ebb.toml and in the HTTP API.
//
// Start from Default: several zero values mean "off" or are not valid. Preferences is copied by value, but the copies
// share their lists; whoever changes a list makes a new one.
type Preferences struct {
	Background Background `toml:"background" json:"background"`
	Foreground Foreground `toml:"foreground" json:"foreground"`
	Sources    Sources    `toml:"sources" json:"sources"`
	Feeds      []Feed     `toml:"feed" json:"feed"`
	Sharing    Sharing    `toml:"sharing" json:"sharing"`
	Network    Network    `toml:"network" json:"network"`
	Web        Web        `toml:"web" json:"web"`
	State      State      `toml:"state" json:"state"`
}

// Background is the allotment: what background swarms may use.
type Background struct {
	// Storage is the disk space for fragments. Until it is set, the background is off.
	Storage Storage `toml:"storage" json:"storage"`
	// Upload and Download limit all background traffic together.
	Upload   Rate `toml:"upload" json:"upload"`
	Download Rate `toml:"download" json:"download"`
	// KeepFree is the space that the background leaves free on the file system, whatever Storage allows.
	KeepFree Size `toml:"keep_free" json:"keep_free"`
	// Hours are the times of day when the background may work; none means always.
	Hours []Hours `toml:"hours" json:"hours"`
	// MonthlyTransfer limits the background's bytes, both ways added up, in a calendar month.
	MonthlyTransfer Limit `toml:"monthly_transfer" json:"monthly_transfer"`
	// WriteBudget limits what the background writes to disk in a day.
	WriteBudget PerDay `toml:"write_budget" json:"write_budget"`
	// DiskSleep says whether the background may wake a spinning disk from standby.
	DiskSleep DiskSleep `toml:"disk_sleep" json:"disk_sleep"`
	// Goal is what the background aims for when it chooses.
	Goal swarm.Goal `toml:"goal" json:"goal"`
}

// InHours reports whether the owner lets the background work at t, by the clock of t's location.
func (b Background) InHours(t time.Time) bool {
	return len(b.Hours) == 0 || slices.ContainsFunc(b.Hours, func(h Hours) bool { return h.Contains(t) })
}

// Foreground is about the torrents that the owner asked for.
type Foreground struct {
	// Directory takes the finished files; empty means "downloads" inside the state directory.
	Directory string `toml:"directory" json:"directory"`
	// Upload and Download are fixed rates or unlimited, never auto or off.
	Upload   Rate `toml:"upload" json:"upload"`
	Download Rate `toml:"download" json:"download"`
}

// Sources says which introducers may bring candidates, and which candidates are never taken.
type Sources struct {
	Peers      Mode `toml:"peers" json:"peers"`
	Neighbours Mode `toml:"neighbours" json:"neighbours"`
	Feeds      Mode `toml:"feeds" json:"feeds"`
	// MaxSwarmSize is the largest torrent that may become a background swarm.
	MaxSwarmSize Limit `toml:"max_swarm_size" json:"max_swarm_size"`
	// Deny lists info-hashes that never become background swarms.
	Deny []swarm.InfoHash `toml:"deny" json:"deny"`
}

// Feed is a document that lists swarms: RSS or Atom (BEP 36), CSV, JSON, or lines.
type Feed struct {
	URL string `toml:"url" json:"url"` // http or https
	// Name is what the owner calls it; empty means by its host.
	Name string `toml:"name" json:"name"`
	// Policy is what happens to its candidates; empty means as Sources.Feeds says, which no feed's own policy exceeds.
	Policy Mode `toml:"policy" json:"policy"`
	// MaxSize is the largest torrent that is taken from it.
	MaxSize Limit `toml:"max_size" json:"max_size"`
}

// Title is what the feed is called: its name, or else the host of its URL.
func (f Feed) Title() string {
	if f.Name != "" {
		return f.Name
	}
	if u, err := url.Parse(f.URL); err == nil && u.Host != "" {
		return u.Host
	}
	return f.URL
}

// Sharing says what other agents may learn from the lists that we pass.
type Sharing struct {
	ListBackground bool `toml:"list_background" json:"list_background"`
	ListForeground bool `toml:"list_foreground" json:"list_foreground"`
}

// Network is about ports and the line.
type Network struct {
	// PeerAddress is where background peers and other agents reach us, host:port; an empty host means every address,
	// port 0 any free port.
	PeerAddress string `toml:"peer_address" json:"peer_address"`
	// WANInterface is the interface to the internet, or "auto".
	WANInterface string `toml:"wan_interface" json:"wan_interface"`
	// LineUp and LineDown are what the line can carry: a fixed rate or auto.
	LineUp   Rate `toml:"line_up" json:"line_up"`
	LineDown Rate `toml:"line_down" json:"line_down"`
	DHT      bool `toml:"dht" json:"dht"`
	// DHTBootstrap are the first DHT nodes to ask, host:port.
	DHTBootstrap []string `toml:"dht_bootstrap" json:"dht_bootstrap"`
	// AllowPrivateTrackers lifts the ban on trackers and peers at loopback, private and link-local addresses. (It has
	// nothing to do with private torrents, which are never shared.)
	AllowPrivateTrackers bool `toml:"allow_private_trackers" json:"allow_private_trackers"`
}

// Web is about the page and the HTTP API.
type Web struct {
	// Address is where the page listens, host:port; port 0 means any free port.
	Address string `toml:"address" json:"address"`
	// AllowedHosts are names, besides localhost and IP addresses, under which a browser may reach the page.
	AllowedHosts []string `toml:"allowed_hosts" json:"allowed_hosts"`
	// AllowPublic lets in callers from public addresses, too, if they have the token.
	AllowPublic bool `toml:"allow_public" json:"allow_public"`
}

// State is about ebb's own files.
type State struct {
	Directory string `toml:"directory" json:"directory"` // absolute
}

// Default returns the preferences of an owner who has decided nothing: the background is off, the page is on loopback.
// Only State.Directory depends on the environment; it is empty, which is not valid, for a user without a home.
func Default() Preferences {
	return Preferences{
		Background: Background{
			Upload:      AutoRate(),
			Download:    AutoRate(),
			KeepFree:    1 << 30,
			Hours:       []Hours{},
			WriteBudget: LimitPerDay(2 << 30), // a cheap 16 GB flash chip lasts years at this pace
			DiskSleep:   DiskSleepRespect,
			Goal:        swarm.GoalBalanced,
		},
		Foreground: Foreground{Upload: UnlimitedRate(), Download: UnlimitedRate()},
		Sources:    Sources{Peers: ModeAuto, Neighbours: ModeAuto, Feeds: ModeAuto, Deny: []swarm.InfoHash{}},
		Feeds:      []Feed{},
		Sharing:    Sharing{ListBackground: true, ListForeground: true},
		Network: Network{
			PeerAddress:  ":51515",
			WANInterface: "auto",
			LineUp:       AutoRate(),
			LineDown:     AutoRate(),
			DHT:          true,
			DHTBootstrap: []string{
				"router.bittorrent.com:6881",
				"dht.transmissionbt.com:6881",
				"dht.libtorrent.org:25401",
				"router.utorrent.com:6881",
			},
		},
		Web:   Web{Address: "127.0.0.1:8088", AllowedHosts: []string{}},
		State: State{Directory: stateDirectoryOf(os.Geteuid())},
	}
}

// stateDirectoryOf follows the file system hierarchy for root and the XDG base directories for everyone else.
func stateDirectoryOf(user int) string {
	if user == 0 {
		return "/var/lib/ebb"
	}
	// The XDG specification: a relative path in the variable is to be ignored.
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ebb")
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "ebb")
	}
	return ""
}

// Equal reports whether p and q mean the same. A nil list and an empty one are the same.
func (p Preferences) Equal(q Preferences) bool {
	return reflect.DeepEqual(p.withLists(), q.withLists())
}

// withLists returns p with an empty list for every nil one, so that JSON shows [] and never null.
func (p Preferences) withLists() Preferences {
	p.Background.Hours = present(p.Background.Hours)
	p.Sources.Deny = present(p.Sources.Deny)
	p.Feeds = present(p.Feeds)
	p.Network.DHTBootstrap = present(p.Network.DHTBootstrap)
	p.Web.AllowedHosts = present(p.Web.AllowedHosts)
	return p
}

func present[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
