//go:build !linux

package platform

import "errors"

func driveOf(path string) (Drive, error) {
	return Drive{}, errors.New("the drive under a path is known on Linux only")
}
