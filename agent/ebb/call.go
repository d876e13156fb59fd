package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
)

// call is one use of a command.
type call struct {
	command command
	flags   *flag.FlagSet
	given   []string // all that followed the command
	args    []string // what parse found that is no flag
	out     io.Writer

	config string // -config; empty if it was not given
	state  string // -state; the same
}

func newCall(cmd command, given []string, out io.Writer) *call {
	c := &call{command: cmd, given: given, out: out, flags: flag.NewFlagSet(cmd.name, flag.ContinueOnError)}
	c.flags.SetOutput(io.Discard) // run reports
	c.flags.StringVar(&c.config, "config", "", "the preferences `FILE` of the agent")
	c.flags.StringVar(&c.state, "state", "", "the state `DIR` of the agent")
	return c
}

// usageError is an error in the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

func wrongUsage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// parse reads flags, which may stand before, between and after at least least and at most most arguments. Behind "--"
// nothing is a flag. most < 0 is no limit.
func (c *call) parse(least, most int) error {
	rest := c.given
	var plain []string
	if i := slices.Index(rest, "--"); i >= 0 {
		rest, plain = rest[:i], rest[i+1:]
	}
	for len(rest) > 0 {
		if err := c.flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			return err
		} else if err != nil {
			return &usageError{err}
		}
		rest = c.flags.Args()
		if len(rest) > 0 {
			c.args = append(c.args, rest[0])
			rest = rest[1:]
		}
	}
	c.args = append(c.args, plain...)
	switch n := len(c.args); {
	case n < least:
		return wrongUsage("something is missing")
	case most >= 0 && n > most:
		return wrongUsage("%q is too much", c.args[most])
	}
	return nil
}

// usage prints how the command is used.
func (c *call) usage(w io.Writer) {
	fmt.Fprintf(w, "Usage: ebb %s %s\n", c.command.name, c.command.args)
	var t table
	c.flags.VisitAll(func(f *flag.Flag) {
		value, about := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
		}
		t.row("  -"+f.Name+value, about)
	})
	t.write(w)
}
