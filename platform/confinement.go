package platform

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Confinement is what this process is kept from.
type Confinement struct {
	NoNewPrivileges bool   // nothing that it runs can have more rights than it (prctl(2), PR_SET_NO_NEW_PRIVS)
	Capabilities    uint64 // those that it has in effect, a bit for each (capabilities(7))
	Files           bool   // it may not open everything that its user may (landlock(7))
}

// Confinement tells how this process is confined, by whomever.
func (f Files) Confinement() (c Confinement, err error) {
	text, err := readAtMost(f.Proc+"/self/status", 16<<10)
	if err != nil {
		return c, fmt.Errorf("how this process is confined: %w", err)
	}
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		switch name, value, _ := strings.Cut(lines.Text(), ":"); name {
		case "NoNewPrivs":
			c.NoNewPrivileges = strings.TrimSpace(value) == "1"
		case "CapEff":
			if c.Capabilities, err = strconv.ParseUint(strings.TrimSpace(value), 16, 64); err != nil {
				return c, fmt.Errorf("how this process is confined: %w", err)
			}
		}
	}
	// The kernel does not say whether Landlock is at work; but everybody may list the root directory, unless it is.
	root, err := os.Open("/")
	if err == nil {
		return c, root.Close()
	}
	c.Files = errors.Is(err, fs.ErrPermission)
	return c, nil
}
