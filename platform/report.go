package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Finding is one thing that was looked for on this machine, in plain words.
type Finding struct {
	About string // what was looked for: 'internet', 'temperature', …
	Text  string // what was found, or why it was not
	Known bool   // it was found
}

// Ping measures a round trip: Probe.RTT, or a test's own.
type Ping func(context.Context, netip.Addr) (time.Duration, error)

// Report says what can be sensed here and what cannot, but for the disks. The WAN interface is the one that the owner
// has named, or that of the default route if wan is empty. The first hop is asked for an answer by ping, if not nil.
func (f Files) Report(ctx context.Context, wan string, ping Ping) []Finding {
	var r report
	routes := f.Routes(wan)
	defer routes.Close()
	route, err := routes.Default()
	r.route(route, err)
	if route.Interface != "" {
		f.reportLink(&r, route.Interface)
	}
	if ping != nil {
		r.ping(ctx, route, ping)
	}
	f.reportMachine(&r)
	return r.findings
}

// report collects findings.
type report struct{ findings []Finding }

func (r *report) found(about, format string, args ...any) {
	r.findings = append(r.findings, Finding{about, fmt.Sprintf(format, args...), true})
}

func (r *report) missed(about, format string, args ...any) {
	r.findings = append(r.findings, Finding{about, fmt.Sprintf(format, args...), false})
}

func (r *report) route(route Route, err error) {
	const about = "internet"
	if err != nil {
		r.missed(about, "the way to the internet is not known: %v", err)
		return
	}
	var via []string
	for _, gateway := range []netip.Addr{route.Gateway4, route.Gateway6} {
		if gateway.IsValid() {
			via = append(via, gateway.WithZone("").String())
		}
	}
	how := "default route"
	if len(via) > 0 {
		how += " via " + strings.Join(via, " and ")
	}
	if route.Tunnel {
		how += "; it is a tunnel, and what carries the tunnel is not known"
	}
	r.found(about, "the way to the internet is %s (%s)", route.Interface, how)
}

// reportLink says what is known of the WAN interface and its line.
func (f Files) reportLink(r *report, wan string) {
	counters := f.Counters(wan)
	defer counters.Close()
	if traffic, err := counters.Read(); err != nil {
		r.missed("counters", "what passes through %s cannot be seen: %v", wan, err)
	} else {
		r.found("counters", "%s has received %s and sent %s", wan, amount(traffic.Received), amount(traffic.Sent))
	}

	queue, err := f.SQMOf(wan)
	switch {
	case err == nil:
		r.found("line", "SQM has %s down and %s up for %s", rateOrUnlimited(queue.Download), rateOrUnlimited(queue.Upload), queue.Interface)
	case errors.Is(err, fs.ErrNotExist):
		r.missed("line", "no SQM configuration for %s: the line's rates come from the settings, or are learned", wan)
	default:
		r.missed("line", "the SQM configuration cannot be used: %v", err)
	}

	if speed, ok := f.LinkSpeed(wan); ok {
		r.found("link", "%s could carry %s at most", wan, bitRate(speed))
	} else {
		r.missed("link", "%s does not say how fast it is", wan)
	}

	position, err := f.Position(wan)
	if err != nil {
		r.missed("position", "whether this machine is a router is not clear: %v", oneLine(err))
	} else {
		r.found("position", "%s", describe(position))
	}
}

func describe(p Position) string {
	if !p.Forwarding {
		return "this machine forwards nothing for others: it is not the household's router"
	}
	var lans []string
	for _, lan := range p.LAN {
		name := lan.Interface
		if !lan.Physical {
			name += " (virtual)"
		}
		lans = append(lans, name)
	}
	if len(lans) == 0 {
		return fmt.Sprintf("this machine forwards packets (%d so far), but is in no network besides", p.Forwarded)
	}
	return fmt.Sprintf("this machine forwards packets (%d so far) for %s", p.Forwarded, strings.Join(lans, ", "))
}

func (r *report) ping(ctx context.Context, route Route, ping Ping) {
	const about = "first hop"
	hop := route.Gateway4
	if !hop.IsValid() {
		hop = route.Gateway6
	}
	if !hop.IsValid() {
		r.missed(about, "the address of the first hop is not known")
		return
	}
	rtt, err := ping(ctx, hop)
	if err != nil {
		r.missed(about, "the first hop does not answer: %v", err)
		return
	}
	r.found(about, "the first hop, %s, answers in %.1f ms", hop.WithZone(""), rtt.Seconds()*1000)
}

// reportMachine says how the machine is doing.
func (f Files) reportMachine(r *report) {
	if total, available := f.Memory(); total > 0 {
		r.found("memory", "%s of %s of memory are available", amount(uint64(available)), amount(uint64(total)))
	} else {
		r.missed("memory", "how much memory there is is not known")
	}
	r.pressure("memory pressure", "memory")(f.MemoryPressure())

	cpus := strconv.FormatFloat(f.CPUs(), 'f', -1, 64)
	if load, err := f.Load(); err != nil {
		r.missed("load", "how busy the processors (%s) are is not known: %v", cpus, err)
	} else {
		r.found("load", "the load is %.2f; there are processors for %s", load, cpus)
	}
	r.pressure("processor pressure", "a processor")(f.CPUPressure())

	if zones, err := f.Temperatures(); err != nil {
		r.missed("temperature", "%v", err)
	} else {
		for _, zone := range zones {
			limit := ""
			if zone.Critical > 0 {
				limit = fmt.Sprintf(", switched off at %.0f °C", zone.Critical)
			}
			r.found("temperature", "temperature (%s): %.0f °C%s", zone.Zone, zone.Degrees, limit)
		}
	}

	power, err := f.Power()
	charge := ""
	if power.Charge >= 0 {
		charge = fmt.Sprintf(", the battery is at %d %%", power.Charge)
	}
	switch {
	case err != nil:
		r.missed("power", "%v", err)
	case power.OnBattery:
		r.found("power", "the machine runs on its battery%s", charge)
	default:
		r.found("power", "the machine runs on mains power%s", charge)
	}
}

// pressure returns a function that takes the result of a measurement.
func (r *report) pressure(about, of string) func(Pressure, error) {
	return func(p Pressure, err error) {
		if err != nil {
			r.missed(about, "how long programs wait for %s is not known: %v", of, err)
		} else {
			r.found(about, "programs waited for %s %.1f %% of the last ten seconds", of, p.Some*100)
		}
	}
}

func oneLine(err error) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// amount writes bytes for people.
func amount(bytes uint64) string {
	const units = "KMGTPE"
	if bytes < 1024 {
		return strconv.FormatUint(bytes, 10) + " bytes"
	}
	n, unit := float64(bytes)/1024, 0
	for ; n >= 1024; unit++ {
		n /= 1024
	}
	return decimals(n) + " " + units[unit:unit+1] + "iB"
}

// bitRate writes a rate in bytes per second for people.
func bitRate(rate int64) string {
	const units = "kMGT"
	n, unit := float64(rate)*8/1000, 0
	for ; n >= 1000 && unit < len(units)-1; unit++ {
		n /= 1000
	}
	return decimals(n) + " " + units[unit:unit+1] + "bit/s"
}

func rateOrUnlimited(rate int64) string {
	if rate == 0 {
		return "no limit"
	}
	return bitRate(rate)
}

// decimals writes a number with a digit behind the point, if that is not 0.
func decimals(n float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0")
}
