//go:build !unix

package platform

import "path/filepath"

// identify goes by the drive's letter.
func identify(path string) (id string, readOnly bool, err error) {
	return "volume " + filepath.VolumeName(path), false, nil
}
