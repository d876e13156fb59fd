// Package interop tells ebb's story with BitTorrent software that ebb's authors did not write.
//
// It drives opentracker, Transmission, aria2 and qBittorrent (libtorrent), as Debian packages them, and the ebb binary
// itself, as separate processes: each on a loopback address of its own, in a directory of its own, with its own
// configuration, and stopped by its own process id. Each driver is one file: it starts the program, waits until the
// program answers, and speaks to it only through what the program offers everyone (its RPC, its HTTP API, its command
// line).
//
// The drivers are for tests and benchmarks on Linux. The tests that start other people's programs need the build tag
// interop and the packages that install.sh installs; `make interop` does all of it. The tests of the harness's own
// arithmetic need neither.
//
// The package leaves to build/lab what needs no foreign software: many peers in one process.
package interop
