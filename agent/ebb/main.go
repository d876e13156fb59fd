package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"ebb/agent"
)

func main() {
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
		{"list", "[-json]", "list your downloads and the swarms that are helped", list},
		{"add", "[-background] [-stopped] MAGNET|URL|INFO-HASH|FILE", "download a torrent; or only help its swarm, in the background", add},
		{"start", "HASH", "start a download", start},
		{"stop", "HASH", "stop a download", stop},
		{"remove", "[-data] [-keep-helping] HASH", "forget a download, or leave a swarm; -data deletes the files of a download, -keep-helping makes it a swarm that is helped", remove},
		{"promote", "HASH", "make a swarm that is helped one of your downloads, with the fragments that are here", promote},
		{"why", "[-json] HASH", "say why a swarm is helped, or why it is not", why},
		{"veto", "HASH", "leave a swarm, delete its fragments, and never come back", veto},
		{"approve", "HASH", "say yes to a candidate that waits for it", approve},
		{"prefs", "[KEY=VALUE …]", "print the preferences, or change some, as in background.storage=20GiB", preferences},
		{"doctor", "[-mend]", "check what is on the disk, and with -mend repair what can be repaired", doctor(agent.Doctor)},
		{"version", "", "print the version", version},
		{"help", "", "print this", help},
	}
}

const helpEnd = `
HASH is an info-hash, or its first digits (four or more) if they fit only one.
Every command takes -config FILE and -state DIR to find an agent that was run with them.
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

// run carries out one command and returns the exit code: 0, 1 if it failed, 2 if it was not understood.
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
		return 2
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
		return 2
	default:
		fmt.Fprintf(errOut, "ebb: %s\n", oneLine(err.Error()))
		return 1
	}
}
