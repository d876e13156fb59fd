package owner

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"ebb/agent/peersource"
	"ebb/webui"
)

// trackers is what a torrent's trackers say, and the DHT.
func trackers(reports []peersource.Report) []webui.Tracker {
	list := make([]webui.Tracker, 0, len(reports))
	for _, r := range reports {
		t := webui.Tracker{Name: sourceName(r.Source), State: webui.TrackerWorks, Asked: r.Asked}
		var no *peersource.Refusal
		switch {
		case errors.As(r.Err, &no):
			t.State, t.Text = webui.TrackerRefuses, no.Reason
		case r.Err != nil:
			t.State, t.Text = webui.TrackerFails, cause(r.Err)
		case r.Asked.IsZero():
			t.State = webui.TrackerNew
		case r.Warning != "":
			t.State, t.Text = webui.TrackerWarns, r.Warning
		}
		list = append(list, t)
	}
	return list
}

// troubled reports whether there is anything to tell of r.
func troubled(r peersource.Report) bool { return r.Err != nil || r.Warning != "" }

// trouble is what the owner should know of them in one sentence, and whether it keeps the torrent from finding peers. A
// tracker that fails or refuses is no trouble while another works.
func trouble(list []webui.Tracker) (text string, grave bool) {
	const most = 3 // of those that are quoted
	var sentences []string
	say := func(state, verb string) {
		for _, t := range list {
			if t.State == state && t.Name != dhtName {
				sentences = append(sentences, "the tracker "+t.Name+verb+t.Text)
			}
		}
	}
	has := func(states ...string) bool {
		return slices.ContainsFunc(list, func(t webui.Tracker) bool { return t.Name != dhtName && slices.Contains(states, t.State) })
	}
	if !has(webui.TrackerNew, webui.TrackerWorks, webui.TrackerWarns) && has(webui.TrackerRefuses, webui.TrackerFails) {
		grave = true
		say(webui.TrackerRefuses, " says: ")
		say(webui.TrackerFails, " fails: ")
	}
	say(webui.TrackerWarns, " warns: ")
	if more := len(sentences) - most; more > 0 {
		sentences = append(sentences[:most], "and "+count(more, "tracker")+" more")
	}
	return strings.Join(sentences, "; "), grave
}

const dhtName = "DHT"

// sourceName names a source of peers without what may be a pass key.
func sourceName(source string) string {
	if source == peersource.SourceDHT {
		return dhtName
	}
	if u, err := url.Parse(source); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return "(unreadable)"
}

// cause says why something could not be reached, as an owner would say it.
func cause(err error) string {
	var (
		name    *net.DNSError
		address *net.AddrError
		op      *net.OpError
		timeout interface{ Timeout() bool }
	)
	unreachable := errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL)
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "there is no host of this name"
	case errors.As(err, &name):
		return "its name cannot be looked up now; is the line up?"
	case errors.Is(err, peersource.ErrRefused):
		return "it is at an address inside the household or of no use (network.allow_private_trackers)"
	case errors.Is(err, peersource.ErrNoNodes):
		return "no node of it answers yet"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there (connection refused)"
	case errors.As(err, &address), unreachable && errors.As(err, &op) && isIPv6(op.Addr):
		return "it has only IPv6 addresses, and ebb has no IPv6 here"
	case unreachable:
		return "there is no way to it from here (network unreachable)"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case strings.HasPrefix(err.Error(), "tracker has no IPv4 address"):
		return "it has only IPv6 addresses, and downloads have none here"
	}
	return err.Error()
}

func isIPv6(addr net.Addr) bool {
	if addr == nil {
		return false
	}
	host, _, err := net.SplitHostPort(addr.String())
	return err == nil && strings.Contains(host, ":")
}
