package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"

	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/discovery/rendezvous"
	"ebb/agent/foreground"
	"ebb/agent/foreground/door"
	"ebb/agent/owner"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/prefs"
	"ebb/agent/records"
	"ebb/agent/swarm"
	"ebb/platform"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
	"ebb/quota/line"
	"ebb/quota/line/govern"
	"ebb/quota/memory"
	"ebb/webui"
)

// Version is what ebb calls itself; set when it is linked.
var Version = "0.1.0-dev"

// Options say where an agent finds its preferences and keeps its state.
type Options struct {
	ConfigPath string       // ebb.toml; it need not exist, and is then all defaults
	StateDir   string       // overrides state.directory
	Log        *slog.Logger // nil: slog.Default
}

// Agent is a whole ebb. Build it with New, and then Run it once.
type Agent struct {
	configPath  string
	preferences *prefs.Live
	events      *webui.EventLog
	log         *slog.Logger // which events come from
	state       *records.Directory
	mounts      *records.Mounts
	token       string

	peerID     [20]byte
	guard      peersource.Guard
	store      *fragstore.Store
	ledger     *disk.Ledger
	bandwidth  *line.Bandwidth
	governor   *line.Governor
	disk       *disk.Watch
	port       *peerwire.Port
	dhtConn    net.PacketConn
	dht        *peersource.DHT // nil when network.dht is false
	announcer  *peersource.Announcer
	door       *door.Door
	foreground *foreground.Session
	background *background.Engine
	memory     *memory.Watch
	candidates *discovery.Candidates
	lists      *discovery.Lists
	rendezvous *rendezvous.Rendezvous
	prover     *discovery.Prover
	page       *webui.Place
	commands   net.Listener // the socket at which commands ask; nil if it could not be made
	owner      *owner.Owner

	closers []func() error // of what was opened, in that order
}

// New builds an agent and opens everything that it needs: files, ports, databases. Its errors say in one line what to
// do; after one, everything is closed again.
func New(o Options) (_ *Agent, err error) {
	a, err := build(o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	for _, open := range []func(prefs.Preferences) error{
		a.openState, a.openQuota, a.openNetwork, a.openBackground, a.openForeground, a.openOwner, a.openWeb,
	} {
		if err := open(a.preferences.Get()); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// build makes an agent that has read its preferences and opened nothing.
func build(o Options) (*Agent, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	p, err := prefs.Load(o.ConfigPath)
	if errors.Is(err, fs.ErrNotExist) {
		p, err = prefs.Default(), nil // the owner has decided nothing yet
	}
	if err != nil {
		return nil, err
	}
	if o.StateDir != "" {
		if p.State.Directory, err = filepath.Abs(o.StateDir); err != nil {
			return nil, fmt.Errorf("state directory %s: %w", o.StateDir, err)
		}
	}
	events := webui.NewEventLog()
	return &Agent{
		configPath:  o.ConfigPath,
		preferences: prefs.NewLive(p),
		events:      events,
		log:         slog.New(swarm.Listen(o.Log.Handler(), events.Publish)),
	}, nil
}

// opened notes how to close what was opened.
func (a *Agent) opened(close func() error) { a.closers = append(a.closers, close) }

func (a *Agent) openState(p prefs.Preferences) (err error) {
	if err := records.MountsBeside(a.configPath).Present(p.State.Directory); err != nil {
		return fmt.Errorf("state directory %w", err)
	}
	if a.state, err = records.OpenDirectory(p.State.Directory); err != nil {
		return err
	}
	a.opened(a.state.Close)
	a.mounts = records.OpenMounts(a.state.File("mounts"))
	if a.token, err = webui.LoadToken(a.state.File(webui.TokenFile)); err != nil {
		return records.OpenError("the API's token", err)
	}
	return nil
}

func (a *Agent) openQuota(p prefs.Preferences) (err error) {
	index, fragments := a.state.File("fragments.db"), a.state.File("fragments")
	present := func() error { return a.mounts.Present(fragments) }
	if err := present(); err != nil {
		return fmt.Errorf("fragments directory %w", err)
	}
	a.disk = disk.NewWatch(disk.WatchConfig{
		Directory: a.state.Path, Index: index, Present: present, Preferences: a.preferences.Get, Log: a.log,
	})
	a.store, err = fragstore.Open(fragments, index, fragstore.Options{Log: a.log, Unavailable: a.disk.Unavailable})
	if err != nil {
		return records.OpenError("the fragment store", err)
	}
	a.opened(a.store.Close)
	a.ledger = disk.NewLedger(disk.Config{
		Store:       a.store,
		Fragments:   a.mounts.Measured(fragments),
		Downloads:   a.mounts.Measured(a.downloads()),
		Limits:      func() disk.Limits { return disk.LimitsOf(a.preferences.Get()) },
		Unavailable: a.disk.Unavailable,
	})
	a.bandwidth = line.NewBandwidth(0, 0) // until the governor has decided
	a.governor = line.NewGovernor(line.GovernorConfig{
		Bandwidth: a.bandwidth, Platform: platform.System, Preferences: a.preferences.Get,
		Foreground: func() govern.Rates {
			up, down := a.foreground.Rates()
			return govern.Rates{Up: float64(up), Down: float64(down)}
		},
		MemoryShort: func() bool { return a.memory.Short() }, Unavailable: a.disk.Unavailable, Store: a.store, Log: a.log,
	})
	return nil
}

// downloads is the directory for the owner's downloads.
func (a *Agent) downloads() string {
	if dir := a.preferences.Get().Foreground.Directory; dir != "" {
		return dir
	}
	return a.state.Downloads()
}

func (a *Agent) openNetwork(p prefs.Preferences) (err error) {
	host, _, err := net.SplitHostPort(p.Network.PeerAddress)
	if err != nil {
		return fmt.Errorf("network.peer_address: %w", err)
	}
	local, _ := netip.ParseAddr(host) // the zero Addr, for any, when it is no literal
	if local.IsUnspecified() {
		local = netip.Addr{}
	}
	a.guard = peersource.Guard{
		AllowPrivate: p.Network.AllowPrivateTrackers, Local: local, Household: peersource.NewHousehold(platform.Networks),
		Count: a.bandwidth.Count,
	}
	a.peerID = peerwire.NewPeerID(Version)
	a.port, err = peerwire.Listen(p.Network.PeerAddress, peerwire.Config{
		PeerID:  a.peerID,
		Client:  client(),
		Local:   local,
		Control: a.guard.Control,
		Wrap:    a.bandwidth.Wrap, Owner: func(h swarm.InfoHash) bool { return a.door.Knows(h) },
		Log: a.log,
	})
	if err != nil {
		return owner.ListenError("the peer port", "network.peer_address", p.Network.PeerAddress, err)
	}
	a.opened(a.port.Close)
	if p.Network.DHT {
		if a.dhtConn, err = net.ListenPacket("udp", a.port.Addr().String()); err != nil {
			return owner.ListenError("the DHT's port", "network.peer_address", a.port.Addr().String(), err)
		}
		a.opened(a.dhtConn.Close)
		a.dht = peersource.NewDHT(a.dhtConn, peersource.DHTConfig{
			Bootstrap: p.Network.DHTBootstrap, Guard: a.guard,
			StatePath: a.state.File("dht-nodes"),
			Log:       a.log,
		})
	}
	a.announcer = peersource.NewAnnouncer(peersource.Config{
		PeerID: a.peerID, Guard: a.guard, DHT: a.dht, UserAgent: "ebb/" + Version, Log: a.log,
	})
	return nil
}

// client is what we call ourselves to peers.
func client() string { return "ebb " + Version }

func (a *Agent) openForeground(p prefs.Preferences) (err error) {
	total, _ := platform.Memory()
	first, last := foreground.PortsBeside(a.port.Addr().Port())
	a.door = door.New(door.Config{
		Dialer: a.port, PeerID: a.peerID, Allow: a.guard.AllowAddr, AddNode: a.addNode(), Lists: a.lists, Listable: a.rendezvous.Knows, Log: a.log,
	})
	a.foreground, err = foreground.Open(foreground.Config{
		Directory: a.downloads(), Present: a.mounts.Present, Database: a.state.File("foreground.db"),
		Host: "127.0.0.1", PortBegin: first, PortEnd: last,
		MemoryTotal: total, Ledger: owner.Reservations{Ledger: a.ledger, Background: a.background},
		FragmentsApart: func() bool { return !a.ledger.Usage().SameDisk },
		CheckURL:       a.guard.CheckURL, Door: a.door, PeerPort: a.port.Addr().Port(), Log: a.log,
	})
	if err != nil {
		return records.OpenError("the downloads", err)
	}
	a.opened(a.foreground.Close)
	return nil
}

func (a *Agent) openBackground(p prefs.Preferences) (err error) {
	if err := a.openDiscovery(); err != nil {
		return err
	}
	a.background, err = background.New(background.Config{
		Dialer:     a.port,
		PeerID:     a.peerID,
		Port:       a.port.Addr().Port(),
		Client:     client(),
		Store:      a.store,
		Ledger:     a.ledger,
		Announcer:  a.announcer,
		Lists:      a.lists,
		Candidates: a.candidates,
		Goal:       func() swarm.Goal { return a.preferences.Get().Background.Goal },
		UploadLimit: func() int64 {
			up, _ := a.bandwidth.Limits()
			return up
		},
		Unavailable: a.disk.Unavailable,
		AllowAddr:   a.guard.AllowAddr,
		AddNode:     a.addNode(),
		Log:         a.log,
	})
	if err != nil {
		return records.OpenError("the background swarms", err)
	}
	a.memory = memory.NewWatch(platform.System, a.background.SetMostConns, a.log)
	return nil
}

func (a *Agent) openOwner(prefs.Preferences) error {
	a.owner = owner.New(owner.Config{
		Kept: a.kept(), Version: Version, ConfigPath: a.configPath, Bandwidth: a.bandwidth, Governor: a.governor,
		Memory: a.memory, Foreground: a.foreground, Background: a.background, Candidates: a.candidates,
		Announcer: a.announcer, DHT: a.dht,
		Transport: &http.Transport{DialContext: a.guard.DialContext, DisableKeepAlives: true},
		Events:    a.events, Log: a.log,
	})
	return nil
}

func (a *Agent) openWeb(prefs.Preferences) (err error) {
	a.page, err = webui.OpenPlace(webui.PlaceConfig{
		Preferences: a.preferences, Moved: a.writeAddress, Log: a.log,
		Explain: func(address string, err error) error {
			return owner.ListenError("the page", "web.address", address, err)
		},
	})
	if err != nil {
		return err
	}
	a.opened(a.page.Close)
	if a.commands, err = records.ListenSocket(a.state.Path); err != nil {
		a.log.Warn("commands will not find this agent", "err", err) // a full disk, on which ebb can make room
		return nil
	}
	a.opened(a.commands.Close)
	return nil
}

// writeAddress writes down where the page is.
func (a *Agent) writeAddress() {
	if err := a.state.WriteAddress(a.URL()); err != nil {
		a.log.Warn("writing down where the page is", "err", err) // a full disk, on which ebb can make room
	}
}

// URL is where the page is, seen from this machine.
func (a *Agent) URL() string { return a.page.URL() }

// kept is what the agent keeps on disk.
func (a *Agent) kept() owner.Kept {
	return owner.Kept{
		Preferences: a.preferences, StatePath: a.state.Path, Downloads: a.downloads(), Store: a.store, Ledger: a.ledger, Disk: a.disk,
	}
}

// Owner is what the owner of a running agent sees and does.
func (a *Agent) Owner() *owner.Owner { return a.owner }

// Doctor looks over all that an agent keeps on disk while it does not run, and with mend repairs what can be repaired.
// Opening the store mends what a crash has left behind, as every start does.
func Doctor(o Options, mend bool) (webui.Diagnosis, error) {
	a, err := build(o)
	if err != nil {
		return webui.Diagnosis{}, err
	}
	defer a.close()
	for _, open := range []func(prefs.Preferences) error{a.openState, a.openQuota} {
		if err := open(a.preferences.Get()); err != nil {
			return webui.Diagnosis{}, err
		}
	}
	return owner.CheckUp(context.Background(), a.kept(), mend), nil
}

// PeerAddr is where background peers reach the agent.
func (a *Agent) PeerAddr() netip.AddrPort { return a.port.Addr() }

var (
	// ErrRestart ends Run when the disk that holds the state has gone and is mounted anew: what was opened is of no use
	// any more, and New opens it again.
	ErrRestart = disk.ErrRemounted
	// ErrAway is wrapped by New's error when the disk of the state, or of the fragments, is not there yet.
	ErrAway = records.ErrAway
)

// Run works until ctx ends, or until a part of the agent fails, which is its
// error. When it returns everything is saved and closed, and no goroutine is left.
func (a *Agent) Run(ctx context.Context) error {
	defer a.close()
	a.writeAddress()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := func(what string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	if a.dht != nil {
		start("DHT", a.dht.Run)
	}
	start("announcer", a.announcer.Run)
	start("quota", quiet(func(ctx context.Context) { a.ledger.Run(ctx, a.background.Reclaimed) }))
	start("foreground", a.foreground.Run)
	start("discovery", a.prover.Run)
	start("peer port", func(ctx context.Context) error { return a.port.Serve(ctx, router{a}) })
	start("disk", a.watchDisk)
	start("memory", quiet(a.memory.Run))
	start("governor", quiet(a.governor.Run))
	start("background", quiet(func(ctx context.Context) { a.background.RunAllotted(ctx, a.allotted, a.preferences.Changed) }))
	start("owner", quiet(a.owner.Run))
	start("foreground swarms", quiet(a.sharing().Follow))
	start("door", a.door.Run)
	start("downloads' swarms", quiet(func(ctx context.Context) { a.foreground.Announce(ctx, a.announcer) }))
	web := webui.New(webui.Config{ // at the page's address, and at the commands' socket
		Agent: a.owner, Token: a.token, PasswordPath: a.state.File(webui.PasswordFile), TokensPath: a.state.File(webui.TokensFile),
		AllowedHosts: func() []string { return a.preferences.Get().Web.AllowedHosts },
		AllowPublic:  func() bool { return a.preferences.Get().Web.AllowPublic }, Log: a.log,
	})
	start("page", func(ctx context.Context) error { return a.page.Serve(ctx, web) })
	if a.commands != nil {
		start("commands", func(ctx context.Context) error { return webui.Serve(ctx, a.commands, web, a.log) })
	}
	swarm.Tell(a.log, "started", swarm.InfoHash{}, "started; page at "+a.URL())
	<-ctx.Done()
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// watchDisk tells what becomes of the disk, until it is to be opened anew.
func (a *Agent) watchDisk(ctx context.Context) error {
	for {
		news, err := a.disk.Next(ctx, a.store.Lost)
		if err != nil {
			return err
		}
		swarm.Tell(a.log, "disk", swarm.InfoHash{}, news)
	}
}

// quiet is a part that cannot fail.
func quiet(run func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		run(ctx)
		return nil
	}
}

// close closes whatever is open, last opened first. What Run has closed already may be closed again.
func (a *Agent) close() {
	for _, close := range slices.Backward(a.closers) {
		if err := close(); err != nil && !errors.Is(err, net.ErrClosed) {
			a.log.Warn("closing", "err", err)
		}
	}
}
