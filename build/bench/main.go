package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
)

// runs is how often each benchmark is run; the median counts.
const runs = "3"

// part is what can be measured by itself. Its name is an argument of the command.
type part struct {
	name    string
	measure func(out io.Writer) error
}

func (p part) String() string { return p.name }

var parts = []part{
	{"code", code},
	{"line", line},
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures the parts that are named, or all.
func run(names []string, out io.Writer) error {
	var missed []error
	for _, name := range names {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("there is no part %q: name some of %v, or none for all", name, parts)
		}
	}
	for _, p := range parts {
		if len(names) == 0 || slices.Contains(names, p.name) {
			missed = append(missed, p.measure(out))
		}
	}
	return errors.Join(missed...)
}

// code runs the benchmarks of the packages.
func code(out io.Writer) error {
	var missed []error
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what\tmeasured\tbound\t")
	for _, s := range suites {
		measured, err := s.measure()
		if err != nil {
			return err
		}
		for _, f := range s.figures {
			value, err := measured.value(f)
			if err != nil {
				return err
			}
			fmt.Fprintln(table, f.row(value))
			if !f.holds(value) {
				missed = append(missed, fmt.Errorf("missed: %s", f.what))
			}
		}
	}
	return errors.Join(table.Flush(), errors.Join(missed...))
}

// measure runs the benchmarks of a suite.
func (s suite) measure() (results, error) {
	args := append([]string{"test", "-run=^$", "-bench=" + s.pattern, "-count=" + runs}, s.args...)
	cmd := exec.Command("go", append(args, strings.Fields(s.pkg)...)...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("benchmarks of %s: %w\n%s", s.pkg, err, output)
	}
	r := make(results)
	return r, r.read(bytes.NewReader(output))
}
