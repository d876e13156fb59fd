package prefs

import (
	"fmt"
	"slices"
	"strings"

	"ebb/agent/swarm"
)

// Mode says what happens to candidates from one source.
type Mode string

const (
	ModeOff  Mode = "off"  // the source is not used
	ModeAsk  Mode = "ask"  // a candidate waits for the owner's yes
	ModeAuto Mode = "auto" // a candidate may be joined at once
)

// DiskSleep says what the background does while a spinning disk is in standby.
type DiskSleep string

const (
	DiskSleepRespect DiskSleep = "respect" // it waits until something else wakes the disk
	DiskSleepIgnore  DiskSleep = "ignore"  // it uses the disk, and so wakes it
)

var (
	modes      = []Mode{ModeOff, ModeAsk, ModeAuto}
	goals      = []swarm.Goal{swarm.GoalPreserve, swarm.GoalAccelerate, swarm.GoalBalanced}
	diskSleeps = []DiskSleep{DiskSleepRespect, DiskSleepIgnore}
)

// UnmarshalText reads one of the three modes.
func (m *Mode) UnmarshalText(text []byte) error { return choose(m, text, modes) }

// MarshalText gives the mode's name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m), nil }

// UnmarshalText reads one of the two ways.
func (d *DiskSleep) UnmarshalText(text []byte) error { return choose(d, text, diskSleeps) }

// MarshalText gives the way's name.
func (d DiskSleep) MarshalText() ([]byte, error) { return []byte(d), nil }

func choose[T ~string](to *T, text []byte, choices []T) error {
	choice := T(text)
	if err := oneOf(choices)(choice); err != nil {
		return err
	}
	*to = choice
	return nil
}

// oneOf returns a check for membership whose error lists the choices.
func oneOf[T ~string](choices []T) func(T) error {
	return func(choice T) error {
		if slices.Contains(choices, choice) {
			return nil
		}
		quoted := make([]string, len(choices))
		for i, c := range choices {
			quoted[i] = quote(string(c))
		}
		last := len(quoted) - 1
		return fmt.Errorf("no such choice; write %s or %s", strings.Join(quoted[:last], ", "), quoted[last])
	}
}
