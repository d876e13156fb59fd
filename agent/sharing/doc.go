// Package sharing decides what other agents may learn of this one: the swarms that its lists name, and those of the
// owner's downloads in whose swarms it can be found.
package sharing

import (
	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/discovery/rendezvous"
	"ebb/agent/foreground"
	"ebb/agent/prefs"
)

// Sharing is what other agents may learn of this one. Its fields are set once, before use.
type Sharing struct {
	Preferences *prefs.Live
	Foreground  *foreground.Session
	Background  *background.Engine
	Candidates  *discovery.Candidates
	Rendezvous  *rendezvous.Rendezvous
}
