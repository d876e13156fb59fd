//go:build !linux

package main

import "errors"

// confine is for Linux only.
func confine([]string) error { return errors.ErrUnsupported }
