// Package agent puts ebb together: it builds every part from the preferences,
// owns their lifecycles, and lets them talk to each other. It decides nothing;
// what may be surprising in a decision is found in the package that takes it.
//
//	foreground  the owner's torrents, on rain
//	background  the swarms that we help
//	discovery   which swarms there are to help
//	quota       what the background may use of disk and line
//	webui       how the owner sees and steers all this
package agent
