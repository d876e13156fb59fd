package owner

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ListenError explains why an address could not be listened on.
func ListenError(what, key, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is in use by another program: stop that one, or change %s", what, address, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: this machine has no address %s: change %s", what, address, key)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: no permission to listen on %s: choose a port above 1023 in %s", what, address, key)
	default:
		return fmt.Errorf("%s: listening on %s: %w: check %s", what, address, err, key)
	}
}
