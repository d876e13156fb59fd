// Command layers checks that imports point down. It prints each import of the module in the current directory that
// points up or sideways, with the rule that it breaks, and then exits with status 1.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const module = "ebb/"

// layers is the house, from the roof down; agent/doc.go has the drawing. A package imports what stands below it,
// nothing above it, and beside it only what the next table says. A name with /... is meant with all that is under it in
// the tree, but for what is named itself. Tests may look further: for them only the roof's own rule holds.
var layers = [][]string{
	{"agent/ebb", "build/...", "webui/webuitest"},
	{"agent"},
	{"agent/owner", "agent/sharing"},
	{"agent/foreground", "agent/foreground/door", "agent/background", "agent/background/choose", "agent/discovery/...", "webui"},
	{"agent/foreground/files"},
	{"quota", "quota/disk", "quota/line", "quota/line/govern", "quota/line/house", "quota/memory", "agent/peersource", "agent/peerwire", "agent/records"},
	{"platform", "agent/prefs", "quota/disk/fragstore"},
	{"agent/swarm"},
}

// beside lists who may import what from their own layer.
var beside = []struct{ from, to string }{
	{"agent/background", "agent/background/choose"},
	{"agent/foreground", "agent/foreground/door"},
	{"agent/discovery/...", "agent/discovery"}, // the sources; never each other
	{"quota/...", "quota"},
	{"quota/line", "quota/line/govern"},
	{"quota/line/house", "quota/line/govern"}, // the simulator runs the same code
	{"build/...", "build/..."},                // one test world stands on another
}

// only lists who may import less than all that stands below, and why.
var only = []struct {
	from string
	to   []string
	why  string
}{
	{"platform", nil, "platform says what the device says, and knows nothing of ebb"},
	{"webui", []string{"agent/prefs", "agent/swarm"}, "webui knows the rest only through an interface that it declares itself"},
	{"agent/background/choose", []string{"agent/swarm"}, "choosing is pure: the simulator runs the same code"},
}

// The command is nobody's library, not even a test's: who needs it runs it.
const command = "agent/ebb"

// pkg is what `go list -json` says of a package, as far as it is asked here.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func main() {
	packages, err := list()
	if err != nil {
		fmt.Fprintln(os.Stderr, "layers:", err)
		os.Exit(1)
	}
	broken := check(packages)
	for _, line := range broken {
		fmt.Println(line)
	}
	if len(broken) > 0 {
		fmt.Println("the rules are in build/layers/main.go")
		os.Exit(1)
	}
}

// list asks go for the packages of the module, as they are built for Linux.
func list() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-tags", "interop,netlab", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...")
	cmd.Env = append(cmd.Environ(), "GOOS=linux")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// check returns a line for each import that breaks a rule, and for each package that has no layer.
func check(packages []pkg) []string {
	var broken []string
	for _, p := range packages {
		from := strings.TrimPrefix(p.ImportPath, module)
		if layer(from) < 0 {
			broken = append(broken, from+" stands in no layer: give it one in build/layers/main.go")
			continue
		}
		for _, to := range ours(p.Imports) {
			if why := refusal(from, to); why != "" {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", from, to, why))
			}
		}
		for _, to := range append(ours(p.TestImports), ours(p.XTestImports)...) {
			if to == command && from != command {
				broken = append(broken, fmt.Sprintf("a test of %s imports %s: the command is nobody's library", from, to))
			}
		}
	}
	return broken
}

// refusal says which rule the import of one package of ours by another breaks; "" is none.
func refusal(from, to string) string {
	if to == command {
		return "the command is nobody's library"
	}
	for _, rule := range only {
		if matches(rule.from, from) && !slices.Contains(rule.to, to) {
			return rule.why
		}
	}
	upper, lower := layer(from), layer(to)
	switch {
	case lower < 0: // said where its own imports are checked
	case lower < upper:
		return fmt.Sprintf("it points up, from layer %d to %d", upper+1, lower+1)
	case lower == upper:
		for _, rule := range beside {
			if matches(rule.from, from) && matches(rule.to, to) {
				return ""
			}
		}
		return fmt.Sprintf("it points sideways, in layer %d", upper+1)
	}
	return ""
}

// layer returns the index of a package's layer; -1 if it has none. The longest name that fits counts.
func layer(name string) int {
	found, length := -1, -1
	for i, names := range layers {
		for _, pattern := range names {
			if matches(pattern, name) && len(pattern) > length {
				found, length = i, len(pattern)
			}
		}
	}
	return found
}

// matches reports whether a name of the table stands for a package.
func matches(pattern, name string) bool {
	root, below := strings.CutSuffix(pattern, "/...")
	return name == root || below && strings.HasPrefix(name, root+"/")
}

// ours picks our own packages, and names them as the table does.
func ours(imports []string) []string {
	var names []string
	for _, path := range imports {
		if name, ok := strings.CutPrefix(path, module); ok {
			names = append(names, name)
		}
	}
	return names
}
