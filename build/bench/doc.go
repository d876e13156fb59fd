// Command bench measures what ebb promises of itself, and prints each figure beside its bound. It exits with status 1
// if a bound is missed.
//
//	bench code    runs the benchmarks of the packages that the figures are about (so each of them can be run alone, with
//	              go test -bench) three times, and takes the median; what takes five minutes is run once
//	bench line    has ebb and other programs seed on an emulated line, and looks at what the household feels (package
//	              netlab): root, Debian, and more than an hour
//	bench         both
package main
