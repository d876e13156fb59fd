package platform

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
)

// Traffic is what has passed through an interface since its counters were last at zero.
type Traffic struct {
	Index          int    // the kernel's number of the interface. One that returns under the same name has another
	Received, Sent uint64 // bytes. Some drivers count to 2³² only
}

// Counters reads the counters of one interface, several times a second: the files stay open. gopsutil would read and
// parse those of all interfaces each time, at ten times the cost. Counters may be used by one goroutine at a time.
type Counters struct {
	files          Files
	name           string
	index          int
	received, sent *os.File // nil: to be opened
	digits         [32]byte
}

// Counters returns the counters of the interface of that name, which need not be there (yet). Close them.
func (f Files) Counters(name string) *Counters {
	return &Counters{files: f, name: name}
}

// Read returns the counters as they are now. It is an error, not for good, if the interface is not there.
func (c *Counters) Read() (Traffic, error) {
	if c.received != nil {
		if traffic, err := c.read(); err == nil {
			return traffic, nil
		}
		// The interface has gone, and may be back as another one.
		c.Close()
	}
	if err := c.open(); err != nil {
		c.Close()
		return Traffic{}, fmt.Errorf("reading the counters of the network interface %.20q: %w", c.name, err)
	}
	traffic, err := c.read()
	if err != nil {
		c.Close()
		return Traffic{}, fmt.Errorf("reading the counters of the network interface %s: %w", c.name, err)
	}
	return traffic, nil
}

// open opens the counters. All of them are of one interface, though the name may pass to another one meanwhile.
func (c *Counters) open() error {
	dir, err := c.files.link(c.name)
	if err != nil {
		return err
	}
	before, err := number(dir + "/ifindex")
	if err != nil {
		return err
	}
	if c.received, err = os.Open(dir + "/statistics/rx_bytes"); err != nil {
		return err
	}
	if c.sent, err = os.Open(dir + "/statistics/tx_bytes"); err != nil {
		return err
	}
	after, err := number(dir + "/ifindex")
	if err != nil {
		return err
	}
	if before != after {
		return fmt.Errorf("it was replaced just now")
	}
	c.index = int(after)
	return nil
}

func (c *Counters) read() (traffic Traffic, err error) {
	traffic.Index = c.index
	if traffic.Received, err = c.counter(c.received); err != nil {
		return Traffic{}, err
	}
	if traffic.Sent, err = c.counter(c.sent); err != nil {
		return Traffic{}, err
	}
	return traffic, nil
}

func (c *Counters) counter(file *os.File) (uint64, error) {
	n, err := file.ReadAt(c.digits[:], 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	count, err := strconv.ParseUint(string(bytes.TrimSpace(c.digits[:n])), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s says %.20q, which is no count", file.Name(), c.digits[:n])
	}
	return count, nil
}

// Close lets go of the files. The next Read opens them again.
func (c *Counters) Close() {
	for _, file := range []*os.File{c.received, c.sent} {
		if file != nil {
			file.Close()
		}
	}
	c.received, c.sent = nil, nil
}
