// Command floor is as little as a program with rain can be: a session and one torrent. `make floor` prints its size: what
// ebb weighs beyond it is ebb's own doing.
package main

import (
	"fmt"
	"os"

	"github.com/cenkalti/rain/v2/torrent"
)

func main() {
	if err := download(); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

// download downloads the torrent that stands on standard input.
func download() error {
	config := torrent.DefaultConfig
	config.RPCEnabled = false
	session, err := torrent.NewSession(config)
	if err != nil {
		return err
	}
	defer session.Close()
	t, err := session.AddTorrent(os.Stdin, nil)
	if err != nil {
		return err
	}
	<-t.NotifyComplete()
	return nil
}
