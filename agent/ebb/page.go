package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"ebb/agent/prefs"
	"ebb/agent/records"
)

// page is 'ebb page'. It prints links that let in whoever opens them: what stands behind '#' stays in their browser.
func page(ctx context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	agent, err := c.agent()
	if err != nil {
		return err
	}
	text, _, err := agent.do(ctx, http.MethodGet, "preferences", nil, nil)
	if err != nil {
		return err
	}
	var p prefs.Preferences
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("reading the agent's preferences: %w", err)
	}
	served, err := os.ReadFile(filepath.Join(agent.state, records.AddressFile))
	if err != nil {
		return fmt.Errorf("finding the page: %w", err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("finding this machine's addresses: %w", err)
	}
	for _, url := range pageURLs(strings.TrimSpace(string(served)), p.Web.Address, addrs) {
		fmt.Fprintf(c.out, "%s#token=%s\n", clean(url), agent.token)
	}
	fmt.Fprintln(c.out, "Whoever has such a link has the agent: keep it to yourself.")
	return nil
}

// pageURLs lists where the page is, for the household: served is where it is from this machine, such as
// http://127.0.0.1:8088/, and preferred is web.address. A page that listens on every address is at each private one.
func pageURLs(served, preferred string, addrs []net.Addr) (urls []string) {
	host, _, _ := net.SplitHostPort(preferred)
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return []string{served}
	}
	_, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(served, "http://"), "/"))
	if err != nil {
		return []string{served}
	}
	for _, addr := range addrs {
		if network, err := netip.ParsePrefix(addr.String()); err == nil && network.Addr().IsPrivate() {
			urls = append(urls, "http://"+net.JoinHostPort(network.Addr().String(), port)+"/")
		}
	}
	return append(urls, served)
}
