package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// runConfig says how a container is run, under Docker's names.
type runConfig struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	Healthcheck  *healthcheck        `json:"Healthcheck,omitempty"`
}

type healthcheck struct {
	Test        []string      `json:"Test"`
	Interval    time.Duration `json:"Interval,omitempty"`
	Timeout     time.Duration `json:"Timeout,omitempty"`
	StartPeriod time.Duration `json:"StartPeriod,omitempty"`
	Retries     int           `json:"Retries,omitempty"`
}

// dockerfile is what a Dockerfile asks for.
type dockerfile struct {
	files  tree
	config runConfig
}

// readDockerfile follows a Dockerfile that begins with nothing and runs nothing, the instructions of which it knows; any
// other is an error. What it copies is below root. Values of ARG are given.
func readDockerfile(text, root string, given map[string]string) (d dockerfile, err error) {
	d.config = runConfig{ExposedPorts: map[string]struct{}{}, Volumes: map[string]struct{}{}, Labels: map[string]string{}}
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		if word != "HEALTHCHECK" && word != "ARG" {
			rest = os.Expand(rest, func(name string) string { return given[name] })
		}
		if err := d.follow(word, rest, root, given); err != nil {
			return d, fmt.Errorf("%s: %w", word, err)
		}
	}
	return d, nil
}

func (d *dockerfile) follow(word, rest, root string, given map[string]string) error {
	c := &d.config
	switch word {
	case "FROM":
		if rest != "scratch" {
			return fmt.Errorf("it begins with %s, not with scratch", rest)
		}
	case "ARG":
		for name := range strings.FieldsSeq(rest) {
			if _, ok := given[name]; !ok {
				return fmt.Errorf("nobody gives %s", name)
			}
		}
	case "COPY":
		words := strings.Fields(rest)
		if len(words) != 2 {
			return errors.New("expected what and where to")
		}
		return d.files.copyFrom(filepath.Join(root, words[0]), words[1])
	case "LABEL", "ENV":
		pairs, err := pairs(rest)
		if err != nil {
			return err
		}
		for _, pair := range pairs {
			if word == "ENV" {
				c.Env = append(c.Env, pair[0]+"="+pair[1])
			} else {
				c.Labels[pair[0]] = pair[1]
			}
		}
	case "USER":
		c.User = rest
	case "STOPSIGNAL":
		c.StopSignal = rest
	case "EXPOSE":
		for port := range strings.FieldsSeq(rest) {
			c.ExposedPorts[port] = struct{}{}
		}
	case "VOLUME":
		var paths []string
		if err := json.Unmarshal([]byte(rest), &paths); err != nil {
			return err
		}
		for _, path := range paths {
			c.Volumes[path] = struct{}{}
		}
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(rest), &c.Entrypoint)
	case "CMD":
		return json.Unmarshal([]byte(rest), &c.Cmd)
	case "HEALTHCHECK":
		return c.check(rest)
	default:
		return errors.New("this instruction is not known here")
	}
	return nil
}

// pairs reads NAME="VALUE" …
func pairs(text string) (all [][2]string, err error) {
	for text != "" {
		name, rest, ok := strings.Cut(text, `="`)
		value, rest, closed := strings.Cut(rest, `"`)
		if !ok || !closed {
			return nil, fmt.Errorf(`%q is not of the form NAME="VALUE"`, text)
		}
		all = append(all, [2]string{name, value})
		text = strings.TrimSpace(rest)
	}
	return all, nil
}

func (c *runConfig) check(rest string) error {
	options, command, ok := strings.Cut(rest, "CMD ")
	if !ok {
		return errors.New("it has no CMD")
	}
	var words []string
	if err := json.Unmarshal([]byte(command), &words); err != nil {
		return err
	}
	h := &healthcheck{Test: append([]string{"CMD"}, words...)}
	for option := range strings.FieldsSeq(options) {
		name, value, _ := strings.Cut(option, "=")
		var err error
		switch name {
		case "--interval":
			h.Interval, err = time.ParseDuration(value)
		case "--timeout":
			h.Timeout, err = time.ParseDuration(value)
		case "--start-period":
			h.StartPeriod, err = time.ParseDuration(value)
		case "--retries":
			_, err = fmt.Sscan(value, &h.Retries)
		default:
			err = errors.New("it is not known here")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
	}
	c.Healthcheck = h
	return nil
}
