//go:build !linux

package files

// stated returns what most file systems ask of names.
func stated(string) Rules { return posix }
