// Package prefs is the preferences data structure: what the owner lets ebb use, and how ebb behaves.
//
// It knows the file ebb.toml: its keys with their defaults, its human units, what makes a value valid, how it is read,
// written and watched. The same values travel as JSON through the HTTP API, under the same names and with the same
// strictness. One table (keys.go) says what every key is; reading, checking and writing all follow it.
//
// It carries nothing out. Turning a percentage into bytes needs the size of a file system, turning "auto" into a rate
// needs the governor: both belong to the packages that use the preferences. It imports nothing else of ebb.
package prefs
