package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ebb/webui"
)

// leastDigits is how much of an info-hash has to be given. Four digits are one in 65,536.
const leastDigits = 4

var hexDigits = regexp.MustCompile(`^[0-9a-f]{4,40}$`)

// found is a torrent or swarm that a user named.
type found struct {
	kind string // foreground, background or candidates; empty if no list has it
	hash string
	name string // may be empty
}

// String is how messages name it.
func (f found) String() string {
	if f.name == "" {
		return f.hash
	}
	return fmt.Sprintf("%s (%s)", clean(f.name), f.hash[:8])
}

// find returns the one item in the lists of the given kinds whose info-hash begins with text. A whole info-hash need
// not be in any.
func (cl *client) find(ctx context.Context, text string, kinds ...string) (found, error) {
	text = strings.ToLower(text)
	if !hexDigits.MatchString(text) {
		return found{}, wrongUsage("%q is not an info-hash of 40 hex digits, nor the first %d or more of one", text, leastDigits)
	}
	var fits []found
	for _, kind := range kinds {
		var l struct {
			Items []struct {
				Hash string `json:"hash"`
				Name string `json:"name"`
			} `json:"items"`
		}
		if err := cl.get(ctx, kind, &l); err != nil {
			return found{}, err
		}
		for _, item := range l.Items {
			known := slices.ContainsFunc(fits, func(f found) bool { return f.hash == item.Hash })
			if strings.HasPrefix(item.Hash, text) && !known {
				fits = append(fits, found{kind, item.Hash, item.Name})
			}
		}
	}
	switch {
	case len(fits) == 1:
		return fits[0], nil
	case len(fits) > 1:
		return found{}, fmt.Errorf("%s fits more than one: %v and %v; give more digits", text, fits[0], fits[1])
	case len(text) == 40:
		return found{hash: text}, nil
	}
	return found{}, fmt.Errorf("%w: %s…; 'ebb list' shows what there is", webui.ErrNotFound, text)
}
