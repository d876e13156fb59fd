package prefs

import (
	"slices"

	"ebb/agent/swarm"
)

// section is one [section] of ebb.toml.
type section struct {
	name  string
	about string // the comment above it in the file
	keys  []key
}

// feedSection is the name of the [[feed]] tables, which are a list and not in sections.
const feedSection = "feed"

// sections says what every key is. The file is written in this order.
var sections = []section{
	{"background", "What swarms that you did not ask for may use. Until storage is set, the background is off.", []key{
		one("storage", `Disk space: a size, or a share of the disk like "10%".`,
			func(p *Preferences) *Storage { return &p.Background.Storage }, nil).sample(`"20GiB"`),
		one("upload", `Speed: "auto", a rate, "unlimited", or "0" for off.`,
			func(p *Preferences) *Rate { return &p.Background.Upload }, nil),
		one("download", "",
			func(p *Preferences) *Rate { return &p.Background.Download }, nil),
		one("keep_free", "Leave this much of the disk free, whatever storage allows.",
			func(p *Preferences) *Size { return &p.Background.KeepFree }, sizeNotNegative),
		many("hours", `Times of day to work in, like ["22:00-07:00"]; none means always.`,
			func(p *Preferences) *[]Hours { return &p.Background.Hours }, Hours.check),
		one("monthly_transfer", `Most bytes in a month, both ways added up, or "unlimited".`,
			func(p *Preferences) *Limit { return &p.Background.MonthlyTransfer }, limitAboveZero),
		one("write_budget", `Most bytes written to the disk in a day, to spare flash, or "unlimited".`,
			func(p *Preferences) *PerDay { return &p.Background.WriteBudget }, perDayAboveZero),
		one("disk_sleep", `While a spinning disk sleeps: "respect" that and wait, or "ignore" it and wake the disk.`,
			func(p *Preferences) *DiskSleep { return &p.Background.DiskSleep }, oneOf(diskSleeps)),
		one("goal", `"preserve" swarms about to die, "accelerate" busy ones, or "balanced".`,
			func(p *Preferences) *swarm.Goal { return &p.Background.Goal }, oneOf(goals)),
	}},
	{"foreground", "The torrents that you asked for.", []key{
		one("directory", "Where finished files go; not set means downloads in the state directory.",
			func(p *Preferences) *string { return &p.Foreground.Directory }, downloadDirectory).sample(`"/srv/downloads"`).atNextStart(),
		one("upload", `Speed: a rate or "unlimited".`,
			func(p *Preferences) *Rate { return &p.Foreground.Upload }, foregroundRate),
		one("download", "",
			func(p *Preferences) *Rate { return &p.Foreground.Download }, foregroundRate),
	}},
	{"sources", "Who may name swarms to help: \"off\", \"ask\" (each waits for your yes) or \"auto\".", []key{
		one("peers", "Other agents in the swarms of your torrents.",
			func(p *Preferences) *Mode { return &p.Sources.Peers }, oneOf(modes)),
		one("neighbours", "Other agents on your LAN.",
			func(p *Preferences) *Mode { return &p.Sources.Neighbours }, oneOf(modes)),
		one("feeds", "The feeds below.",
			func(p *Preferences) *Mode { return &p.Sources.Feeds }, oneOf(modes)),
		one("max_swarm_size", `Largest torrent to help, or "unlimited".`,
			func(p *Preferences) *Limit { return &p.Sources.MaxSwarmSize }, limitAboveZero),
		many("deny", "Info-hashes never to help, 40 hexadecimal digits each.",
			func(p *Preferences) *[]swarm.InfoHash { return &p.Sources.Deny }, nil),
	}},
	{"sharing", "What other agents may learn from us.", []key{
		one("list_background", "The swarms that we help.",
			func(p *Preferences) *bool { return &p.Sharing.ListBackground }, nil),
		one("list_foreground", "Your own torrents. Private ones are never listed.",
			func(p *Preferences) *bool { return &p.Sharing.ListForeground }, nil),
	}},
	{"network", "Ports and the line.", []key{
		one("peer_address", "Where peers reach us: host:port, an empty host means every address.",
			func(p *Preferences) *string { return &p.Network.PeerAddress }, listenAddress).atNextStart(),
		one("wan_interface", `The interface to the internet, like "eth0", or "auto".`,
			func(p *Preferences) *string { return &p.Network.WANInterface }, interfaceName),
		one("line_up", `What the line can carry: a rate or "auto".`,
			func(p *Preferences) *Rate { return &p.Network.LineUp }, lineRate),
		one("line_down", "",
			func(p *Preferences) *Rate { return &p.Network.LineDown }, lineRate),
		one("dht", "Find peers without trackers.",
			func(p *Preferences) *bool { return &p.Network.DHT }, nil).atNextStart(),
		many("dht_bootstrap", "The first DHT nodes to ask.",
			func(p *Preferences) *[]string { return &p.Network.DHTBootstrap }, remoteAddress).atNextStart(),
		one("allow_private_trackers", "Also use trackers and peers at private addresses; for a LAN that has its own.",
			func(p *Preferences) *bool { return &p.Network.AllowPrivateTrackers }, nil).atNextStart(),
	}},
	{"web", "The page.", []key{
		one("address", `Where it listens; ":8088" lets the whole LAN in.`,
			func(p *Preferences) *string { return &p.Web.Address }, listenAddress),
		many("allowed_hosts", "Names for the page, besides localhost, IP addresses, *.local, *.lan and *.home.arpa.",
			func(p *Preferences) *[]string { return &p.Web.AllowedHosts }, hostName),
		one("allow_public", "Also answer to the internet, and not only to the household.",
			func(p *Preferences) *bool { return &p.Web.AllowPublic }, nil),
	}},
	{"state", "ebb's own files.", []key{
		one("directory", "",
			func(p *Preferences) *string { return &p.State.Directory }, stateDirectory),
	}},
}

// key is one key of a section. Its functions are bound to one field of Preferences.
type key struct {
	name    string
	about   string // the comment above it in the file
	example string // TOML, shown commented out while the value is empty
	fixed   bool   // while ebb runs: a change takes effect at the next start
	put     func(p *Preferences, value any) *fault
	check   func(p *Preferences) *fault
	text    func(p *Preferences) string // the value as TOML
}

// feedKey is one key of a [[feed]].
type feedKey struct {
	name  string
	put   func(f *Feed, value any) *fault
	check func(f *Feed) *fault
	text  func(f *Feed) string // the value as TOML; empty if it has its default, and is left out
}

// feedKeys are those of a [[feed]]; the first must be given.
var feedKeys = []feedKey{
	ofFeed("url", func(f *Feed) *string { return &f.URL }, feedURL),
	ofFeed("name", func(f *Feed) *string { return &f.Name }, feedName),
	ofFeed("policy", func(f *Feed) *Mode { return &f.Policy }, feedPolicy),
	ofFeed("max_size", func(f *Feed) *Limit { return &f.MaxSize }, limitAboveZero),
}

func ofFeed[T comparable](name string, field func(*Feed) *T, check func(T) error) feedKey {
	return feedKey{
		name: name,
		put: func(f *Feed, value any) *fault {
			if value == "" { // as JSON has it
				*field(f) = *new(T)
				return nil
			}
			if err := assign(field(f), value); err != nil {
				return &fault{show(value), err}
			}
			return nil
		},
		check: func(f *Feed) *fault { return checked(*field(f), check) },
		text: func(f *Feed) string {
			if *field(f) == *new(T) {
				return ""
			}
			return show(*field(f))
		},
	}
}

// fault says what is wrong with a value, and shows the value as TOML.
type fault struct {
	value  string
	reason error
}

// one describes a key with a single value. A nil check accepts every value that can be read.
func one[T any](name, about string, field func(*Preferences) *T, check func(T) error) key {
	return key{
		name:  name,
		about: about,
		put: func(p *Preferences, value any) *fault {
			if err := assign(field(p), value); err != nil {
				return &fault{show(value), err}
			}
			return nil
		},
		check: func(p *Preferences) *fault { return checked(*field(p), check) },
		text:  func(p *Preferences) string { return show(*field(p)) },
	}
}

// many describes a key with a list of values; check is for each of them.
func many[T any](name, about string, field func(*Preferences) *[]T, check func(T) error) key {
	return key{
		name:  name,
		about: about,
		put: func(p *Preferences, value any) *fault {
			items, ok := value.([]any)
			if !ok {
				return &fault{show(value), errNotList}
			}
			list := make([]T, len(items))
			for i, item := range items {
				if err := assign(&list[i], item); err != nil {
					return &fault{show(item), err}
				}
			}
			*field(p) = list
			return nil
		},
		check: func(p *Preferences) *fault {
			for _, item := range *field(p) {
				if f := checked(item, check); f != nil {
					return f
				}
			}
			return nil
		},
		text: func(p *Preferences) string { return showList(*field(p)) },
	}
}

func checked[T any](value T, check func(T) error) *fault {
	if check == nil {
		return nil
	}
	if err := check(value); err != nil {
		return &fault{show(value), err}
	}
	return nil
}

func (k key) sample(value string) key {
	k.example = value
	return k
}

// atNextStart marks a key of which a change takes effect only then.
func (k key) atNextStart() key {
	k.fixed = true
	return k
}

// NeedRestart names the keys, such as "web.address", whose values differ and take effect only at the next start.
func NeedRestart(old, changed Preferences) (keys []string) {
	for _, s := range sections {
		for _, k := range s.keys {
			if k.fixed && k.text(&old) != k.text(&changed) {
				keys = append(keys, s.name+"."+k.name)
			}
		}
	}
	return keys
}

// Key describes a key that has one value or a list of them, for those who show preferences.
type Key struct {
	Section   string `json:"section"`    // such as background
	Name      string `json:"name"`       // such as storage
	About     string `json:"about"`      // what it means; empty if the one before says it
	NextStart bool   `json:"next_start"` // a change takes effect at the next start
}

// Keys lists all of them, in the order of the file.
func Keys() (keys []Key) {
	for _, s := range sections {
		for _, k := range s.keys {
			keys = append(keys, Key{s.name, k.name, k.about, k.fixed})
		}
	}
	return keys
}

func sectionNames() []string {
	names := []string{feedSection}
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

// keyNames returns the keys of a section, which may be feedSection; none if there is no such section.
func keyNames(of string) []string {
	if of == feedSection {
		var names []string
		for _, k := range feedKeys {
			names = append(names, k.name)
		}
		return names
	}
	var names []string
	for _, s := range sections {
		if s.name == of {
			for _, k := range s.keys {
				names = append(names, k.name)
			}
		}
	}
	return names
}

// homeOf returns the section that a key belongs to, or "" unless there is exactly one.
func homeOf(name string) string {
	home := ""
	for _, s := range sectionNames() {
		if slices.Contains(keyNames(s), name) {
			if home != "" {
				return ""
			}
			home = s
		}
	}
	return home
}
