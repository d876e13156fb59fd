//go:build !linux

package platform

import "errors"

func driveOf(path string) (Drive, error) {
	return Drive{}, errors.New("not implemented on this system")
}
