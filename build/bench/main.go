package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
)

// runs is how often each benchmark is run; the median counts.
const runs = "3"

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
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
