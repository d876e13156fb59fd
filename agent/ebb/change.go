package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ebb/agent/owner"
	"ebb/webui"
)

func add(ctx context.Context, c *call) error {
	background := c.flags.Bool("background", false, "only help the swarm, within what is lent")
	stopped := c.flags.Bool("stopped", false, "do not start the download yet")
	asJSON := c.flags.Bool("json", false, "print JSON")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	if *background && *stopped {
		return wrongUsage("-background and -stopped do not go together")
	}
	kind, body, err := source(c.args[0])
	if err != nil {
		return err
	}
	agent, err := c.agent()
	if err != nil {
		return err
	}
	path, done := "foreground", "Downloading"
	switch {
	case *background:
		path, done = "background", "Helping"
	case *stopped:
		path, done = "foreground?start=false", "Added, and not started:"
	}
	answer, _, err := agent.do(ctx, http.MethodPost, path, http.Header{"Content-Type": {kind}}, body)
	if err != nil {
		return err
	}
	var added webui.Added
	if err := json.Unmarshal(answer, &added); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	if *asJSON {
		return c.printJSON(added)
	}
	fmt.Fprintf(c.out, "%s %s\n", done, added.Hash.String())
	return nil
}

// source reads what is to be added, as a body of the given content type.
func source(argument string) (contentType string, body []byte, err error) {
	f, err := os.Open(argument)
	switch {
	case err != nil && owner.IsLink(argument):
		body, err = json.Marshal(map[string]string{"uri": argument})
		return "application/json", body, err
	case err != nil:
		return "", nil, fmt.Errorf("%w (expected a magnet link, an http(s) URL, an info-hash or a .torrent file)", err)
	}
	defer f.Close()
	body, err = io.ReadAll(io.LimitReader(f, webui.MaxTorrentFile+1))
	if err != nil {
		return "", nil, err
	}
	if len(body) > webui.MaxTorrentFile {
		return "", nil, fmt.Errorf("%s is larger than any .torrent file: give the .torrent, not what it is about", argument)
	}
	return "application/x-bittorrent", body, nil
}

// target parses a command line of one HASH and finds what it names.
func (c *call) target(ctx context.Context, kinds ...string) (*client, found, error) {
	if err := c.parse(1, 1); err != nil {
		return nil, found{}, err
	}
	agent, err := c.agent()
	if err != nil {
		return nil, found{}, err
	}
	f, err := agent.find(ctx, c.args[0], kinds...)
	return agent, f, err
}

func start(ctx context.Context, c *call) error {
	agent, f, err := c.target(ctx, "foreground")
	if err != nil {
		return err
	}
	return c.done("Started", f, agent.act(ctx, http.MethodPost, "foreground/"+f.hash+"/start"))
}

func stop(ctx context.Context, c *call) error {
	agent, f, err := c.target(ctx, "foreground")
	if err != nil {
		return err
	}
	return c.done("Stopped", f, agent.act(ctx, http.MethodPost, "foreground/"+f.hash+"/stop"))
}

func verify(ctx context.Context, c *call) error {
	agent, f, err := c.target(ctx, "foreground")
	if err != nil {
		return err
	}
	var before webui.ForegroundTorrent
	if err := agent.get(ctx, "foreground/"+f.hash, &before); err != nil {
		return c.done("", f, err)
	}
	said := "Verifying"
	if before.State == "stopped" {
		said = "To be verified when it is started:"
	}
	return c.done(said, f, agent.act(ctx, http.MethodPost, "foreground/"+f.hash+"/verify"))
}

// moveInterval is how often the agent is asked how far a move is.
const moveInterval = time.Second

// move begins a move, and tells how far it is until it is done.
func move(ctx context.Context, c *call) error {
	if err := c.parse(2, 2); err != nil {
		return err
	}
	directory, err := filepath.Abs(c.args[1])
	if err != nil {
		return err
	}
	agent, err := c.agent()
	if err != nil {
		return err
	}
	f, err := agent.find(ctx, c.args[0], "foreground")
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"directory": directory})
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if _, _, err := agent.do(ctx, http.MethodPost, "foreground/"+f.hash+"/move", header, body); err != nil {
		return c.done("", f, err)
	}
	tick := time.NewTicker(moveInterval)
	defer tick.Stop()
	for said := ""; ; {
		var t webui.ForegroundTorrent
		if err := agent.get(ctx, "foreground/"+f.hash, &t); err != nil {
			return c.done("", f, err)
		}
		switch {
		case t.Directory == directory && t.State != "moving":
			return c.done("Moved", f, nil)
		case t.State == "failed", strings.HasPrefix(t.State, "waiting"):
			return c.done("", f, errors.New(t.Why))
		case t.State == "moving" && t.Why != said:
			said = t.Why
			fmt.Fprintln(c.out, said)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%v: it goes on being moved: %w", f, ctx.Err())
		}
	}
}

func remove(ctx context.Context, c *call) error {
	data := c.flags.Bool("data", false, "delete the downloaded files, too; with -keep-helping, once what fits has become fragments")
	help := c.flags.Bool("keep-helping", false, "turn as much of it as you lend into fragments, and go on helping its swarm; the files stay unless -data is given as well")
	agent, f, err := c.target(ctx, "foreground", "background")
	if err != nil {
		return err
	}
	if f.kind == "background" {
		if *help {
			return fmt.Errorf("%v: you help it already, and it is no download; without -keep-helping 'ebb remove' leaves it", f)
		}
		return c.done("Left", f, agent.act(ctx, http.MethodDelete, "background/"+f.hash))
	}
	query, said := url.Values{}, "Removed; its files stay:"
	if *data {
		query.Set("data", "delete")
		said = "Removed, with its files:"
	}
	if *help {
		query.Set("keep_helping", "true")
		said = "No download any more; what fits becomes fragments, and its files stay:"
	}
	if *help && *data {
		said = "No download any more; what fits becomes fragments, and then its files go:"
	}
	return c.done(said, f, agent.act(ctx, http.MethodDelete, "foreground/"+f.hash+"?"+query.Encode()))
}

func promote(ctx context.Context, c *call) error {
	agent, f, err := c.target(ctx, "background")
	if err != nil {
		return err
	}
	return c.done("Becoming one of your downloads:", f, agent.act(ctx, http.MethodPost, "background/"+f.hash+"/promote"))
}

func veto(ctx context.Context, c *call) error {
	agent, f, err := c.target(ctx, "background", "candidates")
	if err != nil {
		return err
	}
	return c.done("Vetoed", f, agent.act(ctx, http.MethodPost, "background/"+f.hash+"/veto"))
}

func approve(ctx context.Context, c *call) error {
	agent, f, err := c.target(ctx, "candidates")
	if err != nil {
		return err
	}
	return c.done("Approved", f, agent.act(ctx, http.MethodPost, "candidates/"+f.hash+"/approve"))
}

// done says what has been done to f, unless err says that it has not.
func (c *call) done(what string, f found, err error) error {
	var refused *statusError
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return fmt.Errorf("%v: %w", f, webui.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", f, err)
	}
	fmt.Fprintf(c.out, "%s %v\n", what, f)
	return nil
}
