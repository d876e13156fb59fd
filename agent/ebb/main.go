package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"ebb/agent"
	"ebb/platform"
	"ebb/webui"
)

func main() {
	if zone := platform.System.Zone(os.LookupEnv("TZ")); zone != nil {
		time.Local = zone
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command is one word after 'ebb'.
type command struct {
	name  string
	args  string // what may follow, as shown by help
	about string
	do    func(context.Context, *call) error
}

func commands() []command {
	return []command{
		{"run", "[-config FILE] [-state DIR]", "run the agent until it is told to stop", runAgent},
		{"status", "[-json]", "show what the agent is doing, and why", status},
		{"page", "", "print links that open the page and let you in", page},
		{"watch", "", "show the same live, until Ctrl-C", watch},
		{"line", "[-json]", "draw the last ten minutes of the line: rates, its queue, and why", drawLine},
		{"list", "[-json] [-hashes]", "list your downloads and the swarms that are helped", list},
		{"add", "[-background] [-stopped] [-json] MAGNET|URL|INFO-HASH|FILE", "download a torrent; or only help its swarm, in the background", add},
		{"start", "HASH", "start a download", start},
		{"stop", "HASH", "stop a download", stop},
		{"verify", "HASH", "hash the files of a download again: what is damaged is downloaded anew, what you have put there is taken", verify},
		{"move", "HASH DIRECTORY", "move the files of a download to another directory, also on another disk; Ctrl-C does not end that", move},
		{"remove", "[-data] [-keep-helping] HASH", "forget a download, or leave a swarm; -data deletes the files of a download, -keep-helping makes it a swarm that is helped", remove},
		{"promote", "HASH", "make a swarm that is helped one of your downloads, with the fragments that are here", promote},
		{"why", "[-json] HASH", "say why a swarm is helped, or why it is not", why},
		{"veto", "HASH", "leave a swarm, delete its fragments, and never come back", veto},
		{"approve", "HASH", "say yes to a candidate that waits for it", approve},
		{"prefs", "[KEY=VALUE …]", "print the preferences, or change some, as in background.storage=20GiB", preferences},
		{"doctor", "[-mend] [-json]", "check what is on the disk, and with -mend repair what can be repaired", doctor(agent.Doctor)},
		{"completion", "bash|zsh", "print a script that completes commands in your shell; source it in ~/.bashrc or ~/.zshrc", completion},
		{"manual", "", "print all of this as a page for man, as in 'ebb manual | man -l -'", manual},
		{"version", "", "print the version", version},
		{"help", "", "print this", help},
	}
}

const helpEnd = `
HASH is an info-hash, or its first digits (four or more) if they fit only one.
Every command takes -config FILE and -state DIR to find an agent that was run with them.
Exit codes: 0 done, 1 refused or failed, 2 not understood, 3 no agent is running, 4 nothing is known of this HASH.
`

func help(_ context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	io.WriteString(c.out, "Usage: ebb COMMAND …\n\n")
	var t table
	for _, cmd := range commands() {
		t.row("  "+strings.TrimSpace(cmd.name+" "+cmd.args), cmd.about)
	}
	t.write(c.out)
	io.WriteString(c.out, helpEnd)
	return nil
}

// The exit codes; 0 is success.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitNotRunning = 3
	exitUnknown    = 4
)

// run carries out one command and returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	if len(args) == 0 {
		args = []string{"help"}
	}
	name := args[0]
	if slices.Contains([]string{"-h", "-help", "--help"}, name) {
		name = "help"
	}
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		fmt.Fprintf(errOut, "ebb: there is no command %q; 'ebb help' lists them\n", name)
		return exitUsage
	}
	c := newCall(all[i], args[1:], out)
	err := c.command.do(ctx, c)
	var wrong *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		c.usage(out)
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(errOut, "ebb %s: %s\n", name, oneLine(err.Error()))
		c.usage(errOut)
		return exitUsage
	}
	fmt.Fprintf(errOut, "ebb: %s\n", oneLine(err.Error()))
	var refused *statusError
	switch {
	case errors.Is(err, errNotRunning):
		return exitNotRunning
	case errors.Is(err, webui.ErrNotFound), errors.As(err, &refused) && refused.status == http.StatusNotFound:
		return exitUnknown
	}
	return exitFailed
}
