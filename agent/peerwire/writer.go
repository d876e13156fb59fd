package peerwire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// The writer of a connection, one goroutine, does in a loop:
//
//	1  take all control messages that are queued, and write them at once
//	2  if there are none: take one block, open its source, write header and data
//	   (or make a postponed message, and write it). Blocks that follow each other
//	   leave in full segments
//	3  if there are none: send what is left, and wait for either, or for two
//	   minutes to pass; then write a keep-alive
//
// So a control message waits for one block at most. The source of a block is opened in step 2 only, so a long queue
// costs no files and no buffers. Any error closes the connection, and the reader learns of it.

// write is the writer's goroutine.
func (c *Conn) write() {
	defer close(c.done)
	silence := time.NewTimer(keepAliveInterval)
	defer silence.Stop()
	corked := false
	for {
		control, block, ok := c.popNext()
		var err error
		switch {
		case control != nil:
			err = c.stream.write(control)
			c.giveBack(control)
		case ok:
			if !corked {
				corked = true
				cork(c.stream.nc, true)
			}
			err = c.writeBlock(block)
		case corked:
			corked = false
			cork(c.stream.nc, false)
		default:
			select {
			case <-c.closed:
				return
			case <-c.wake:
				continue
			case <-silence.C:
				err = c.stream.write(make([]byte, 4)) // a message of length 0
			}
		}
		if err != nil {
			c.fail(writeError(err))
			return
		}
		silence.Reset(keepAliveInterval)
	}
}

// popNext takes either all control messages, or the first block, off the queue. Whatever it has returned before is
// written by now.
func (c *Conn) popNext() (control []byte, block BlockRequest, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &c.queue
	switch {
	case q.controls > 0:
		control = q.control
		q.control, q.controls = nil, 0
	case len(q.blocks) > 0:
		block, ok = q.blocks[0], true
		q.blocks[0] = BlockRequest{} // drop what its functions hold on to
		if q.blocks = q.blocks[1:]; len(q.blocks) == 0 {
			q.blocks = nil
		}
		c.shrink()
	default:
		for _, written := range q.flushers {
			close(written)
		}
		q.flushers = nil
	}
	return control, block, ok
}

// giveBack keeps a written buffer for the next messages, if it is small.
func (c *Conn) giveBack(buffer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cap(buffer) <= keptControl {
		c.queue.spare = buffer[:0]
	}
}

// errSource says that a block could not be read before any of it was written.
var errSource = errors.New("block not readable")

// writeBlock sends a Piece message, or rejects the request for it; or it sends a postponed message.
func (c *Conn) writeBlock(b BlockRequest) error {
	if b.message != nil {
		err := c.stream.write(b.message())
		if b.Sent != nil {
			b.Sent(int(b.Length))
		}
		return err
	}
	err := c.writePiece(b)
	switch {
	case err == nil:
		if b.Sent != nil {
			b.Sent(int(b.Length))
		}
		return nil
	case errors.Is(err, errSource) && c.Fast():
		reject := Message{Type: Reject, Index: b.Index, Begin: b.Begin, Length: b.Length}
		message, err := appendMessage(nil, reject)
		if err != nil {
			return err
		}
		return c.stream.write(message)
	}
	return err
}

func (c *Conn) writePiece(b BlockRequest) error {
	source, err := b.Source()
	if err != nil {
		return fmt.Errorf("%w: %w", errSource, err)
	}
	defer source.Close()
	if to, file := c.stream.kernelWriter(), source.File(); to != nil && file != nil {
		return c.sendFile(to, file, b)
	}
	return c.copyBlock(source, b)
}

// sendFile lets the kernel send the block.
func (c *Conn) sendFile(to io.ReaderFrom, file *os.File, b BlockRequest) error {
	if _, err := file.Seek(int64(b.Begin), io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", errSource, err)
	}
	if err := c.stream.write(appendPieceHeader(make([]byte, 0, pieceHeader), b.Index, b.Begin, b.Length)); err != nil {
		return err
	}
	data := io.LimitedReader{R: file, N: int64(b.Length)}
	n, err := to.ReadFrom(&data)
	if err == nil && n < int64(b.Length) {
		err = fmt.Errorf("block %d:%d cut off after %d bytes: %w", b.Index, b.Begin, n, io.ErrUnexpectedEOF)
	}
	return err
}

// copyBlock sends the block through a buffer, where it can be encrypted.
func (c *Conn) copyBlock(source io.ReaderAt, b BlockRequest) error {
	buffer := blockBuffers.Get().(*blockBuffer)
	defer blockBuffers.Put(buffer)
	filled := len(appendPieceHeader(buffer[:0], b.Index, b.Begin, b.Length))
	for sent := uint32(0); sent < b.Length; filled = 0 {
		n := min(b.Length-sent, BlockSize)
		// ReadAt may report the end of the file along with the last bytes.
		got, err := source.ReadAt(buffer[filled:filled+int(n)], int64(b.Begin)+int64(sent))
		if uint32(got) < n {
			err = fmt.Errorf("read block %d:%d: %w", b.Index, b.Begin, unexpected(err))
			if sent == 0 {
				err = fmt.Errorf("%w: %w", errSource, err)
			}
			return err
		}
		if err := c.stream.write(buffer[:filled+int(n)]); err != nil {
			return err
		}
		sent += n
	}
	return nil
}

// writeError says why the connection could not be written to.
func writeError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("peer took nothing for %v: %w", stallTimeout, err)
	}
	return fmt.Errorf("send to peer: %w", err)
}
