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
	"sync"
	"time"

	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/foreground"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/platform"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
	"ebb/quota/line"
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
	configPath string
	log        *slog.Logger
	events     *webui.EventLog
	started    time.Time
	state      *stateDir
	token      string

	peerID     [20]byte
	guard      peersource.Guard
	store      *fragstore.Store
	ledger     *disk.Ledger
	bandwidth  *line.Bandwidth
	governor   *line.Governor
	senses     *lineSenses
	probe      *lineProbe
	disk       diskState
	moves      *moves
	port       *peerwire.Port
	dhtConn    net.PacketConn
	dht        *peersource.DHT // nil when network.dht is false
	announcer  *peersource.Announcer
	foreground *foreground.Session
	background *background.Engine
	memory     *memoryWatch
	candidates *discovery.Candidates
	rendezvous *discovery.Rendezvous
	web        net.Listener

	changed chan struct{} // has a value when the preferences changed; capacity 1

	mu          sync.Mutex // guards what follows
	preferences prefs.Preferences
}

// New builds an agent and opens everything that it needs: files, ports,
// databases. Its errors say in one line what to do; after one, everything is
// closed again.
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
		a.openState, a.openQuota, a.openNetwork, a.openBackground, a.openForeground, a.openWeb,
	} {
		if err := open(a.preferences); err != nil {
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
	a := &Agent{
		configPath:  o.ConfigPath,
		log:         slog.New(swarm.Listen(o.Log.Handler(), events.Publish)),
		started:     time.Now(),
		events:      events,
		changed:     make(chan struct{}, 1),
		preferences: p,
	}
	a.moves = newMoves(a)
	return a, nil
}

func (a *Agent) openState(p prefs.Preferences) (err error) {
	if a.state, err = openStateDir(p.State.Directory); err != nil {
		return err
	}
	if a.token, err = webui.LoadToken(a.state.file(webui.TokenFile)); err != nil {
		return openError("the API's token", err)
	}
	return nil
}

func (a *Agent) openQuota(p prefs.Preferences) (err error) {
	a.openDrive()
	a.store, err = fragstore.Open(a.state.file("fragments"), a.state.file("fragments.db"), fragstore.Options{Log: a.log, Quiet: a.quiet})
	if err != nil {
		return openError("the fragment store", err)
	}
	a.ledger = disk.NewLedger(disk.Config{
		Store:     a.store,
		Fragments: fileSystem(a.state.file("fragments")),
		Downloads: fileSystem(a.downloads(p)),
		Limits:    limits(p),
		Hold:      a.hold,
	})
	a.bandwidth = line.NewBandwidth(0, 0) // until the governor has looked around
	a.senses = &lineSenses{agent: a}
	a.probe = a.newLineProbe()
	a.governor = line.NewGovernor(line.GovernorConfig{
		Bandwidth: a.bandwidth, Senses: a.senses, Store: a.store, Allotment: allotment(p), Hold: a.hold, Log: a.log,
	})
	return nil
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
	a.guard = peersource.Guard{AllowPrivate: p.Network.AllowPrivateTrackers, Local: local}
	a.peerID = peerwire.NewPeerID(Version)
	a.port, err = peerwire.Listen(p.Network.PeerAddress, peerwire.Config{
		PeerID: a.peerID,
		Client: client(),
		Local:  local,
		Wrap:   a.bandwidth.Wrap,
		Log:    a.log,
	})
	if err != nil {
		return listenError("the peer port", "network.peer_address", p.Network.PeerAddress, err)
	}
	if p.Network.DHT {
		if a.dhtConn, err = net.ListenPacket("udp", a.port.Addr().String()); err != nil {
			return listenError("the DHT's port", "network.peer_address", a.port.Addr().String(), err)
		}
		a.dht = peersource.NewDHT(a.dhtConn, peersource.DHTConfig{
			Bootstrap:    p.Network.DHTBootstrap,
			AllowPrivate: p.Network.AllowPrivateTrackers,
			StatePath:    a.state.file("dht-nodes"),
			Log:          a.log,
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
	memory, _ := platform.Memory()
	host := "0.0.0.0"
	if a.guard.Local.IsValid() {
		host = a.guard.Local.String()
	}
	first, last := torrentPorts(a.port.Addr().Port())
	a.foreground, err = foreground.Open(foreground.Config{
		Directory:      a.downloads(p),
		Database:       a.state.file("foreground.db"),
		Host:           host,
		PortBegin:      first,
		PortEnd:        last,
		UploadLimit:    max(p.Foreground.Upload.BytesPerSecond(), 0),
		DownloadLimit:  max(p.Foreground.Download.BytesPerSecond(), 0),
		MemoryTotal:    memory,
		Ledger:         reservations{a.ledger, a.background},
		FragmentsApart: func() bool { return !a.ledger.Usage().SameDisk },
		CheckURL:       a.guard.CheckURL,
		Transport:      &http.Transport{DialContext: a.guard.DialContext, DisableKeepAlives: true},
		Log:            a.log,
	})
	if err != nil {
		return openError("the downloads", err)
	}
	return nil
}

// torrentPorts is the range of ports for the owner's torrents, one each: the
// thousand above the peer port, or below it where there are not as many.
func torrentPorts(peer uint16) (first, last uint16) {
	const count = 1000
	if peer > 65535-count {
		return peer - count, peer - 1
	}
	return peer + 1, peer + count
}

func (a *Agent) openBackground(p prefs.Preferences) (err error) {
	if err := a.openDiscovery(p); err != nil {
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
		Lists:      a.rendezvous,
		Candidates: a.candidates,
		Goal:       func() prefs.Goal { return a.current().Background.Goal },
		UploadLimit: func() int64 {
			up, _ := a.bandwidth.Limits()
			return up
		},
		Asleep:    a.quiet,
		AllowAddr: a.guard.AllowAddr,
		AddNode:   a.addNode(),
		Log:       a.log,
	})
	if err != nil {
		return openError("the background swarms", err)
	}
	a.memory = a.newMemoryWatch()
	return nil
}

func (a *Agent) openWeb(p prefs.Preferences) (err error) {
	if a.web, err = net.Listen("tcp", p.Web.Address); err != nil {
		return listenError("the page", "web.address", p.Web.Address, err)
	}
	return nil
}

// URL is where the page is, seen from this machine.
func (a *Agent) URL() string {
	host, port, _ := net.SplitHostPort(a.web.Addr().String())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// PeerAddr is where background peers reach the agent.
func (a *Agent) PeerAddr() netip.AddrPort { return a.port.Addr() }

// Run works until ctx ends, or until a part of the agent fails, which is its
// error. When it returns everything is saved and closed, and no goroutine is left.
func (a *Agent) Run(ctx context.Context) error {
	defer a.close()
	if err := a.state.writeAddress(a.URL()); err != nil {
		// On a full disk ebb must run all the same, for it can make room. The
		// commands then look at web.address.
		a.log.Warn("writing down where the API is", "err", err)
	}
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
	start("rendezvous", a.rendezvous.Run)
	start("peer port", func(ctx context.Context) error { return a.port.Serve(ctx, router{a}) })
	start("disk", a.watchDisk)
	start("memory", quiet(a.memory.run))
	start("governor", quiet(a.govern))
	start("probe", quiet(a.probe.run))
	start("background", quiet(a.runBackground))
	start("moves", quiet(a.moves.run))
	start("foreground swarms", quiet(a.followForeground))
	start("preferences", quiet(a.watchPreferences))
	start("page", func(ctx context.Context) error {
		return webui.Serve(ctx, a.web, webui.New(webui.Config{
			Agent: a, Token: a.token, AllowedHosts: a.current().Web.AllowedHosts, Log: a.log,
		}), a.log)
	})
	swarm.Tell(a.log, "started", swarm.InfoHash{}, "started; page at "+a.URL())
	<-ctx.Done()
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// quiet is a part that cannot fail.
func quiet(run func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		run(ctx)
		return nil
	}
}

// close closes whatever is open, last opened first.
func (a *Agent) close() {
	var errs []error
	if a.web != nil {
		a.web.Close() // Serve has closed it already, if it ran
	}
	if a.foreground != nil {
		errs = append(errs, a.foreground.Close())
	}
	if a.port != nil {
		errs = append(errs, a.port.Close())
	}
	if a.dhtConn != nil {
		a.dhtConn.Close() // Run has closed it already, if it ran
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if a.state != nil {
		errs = append(errs, a.state.close())
	}
	if err := errors.Join(errs...); err != nil {
		a.log.Warn("closing", "err", err)
	}
}
