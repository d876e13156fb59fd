// Command bench measures what ebb promises of itself, and prints each figure beside its bound. It runs the benchmarks of
// the packages that the figures are about (so each of them can be run alone, with go test -bench), three times, and takes
// the median. It exits with status 1 if a bound is missed.
package main
