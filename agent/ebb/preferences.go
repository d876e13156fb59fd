package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"ebb/agent/prefs"
	"ebb/webui"
)

func preferences(ctx context.Context, c *call) error {
	if err := c.parse(0, -1); err != nil {
		return err
	}
	agent, err := c.agent()
	if err != nil {
		return err
	}
	now, header, err := agent.do(ctx, http.MethodGet, "preferences", nil, nil)
	if err != nil {
		return err
	}
	if len(c.args) == 0 {
		p, err := prefs.ParseJSON(now)
		if err != nil {
			return fmt.Errorf("reading the agent's preferences: %w", err)
		}
		_, err = c.out.Write(p.Text())
		return err
	}
	changed, err := change(now, c.args)
	if err != nil {
		return err
	}
	// If-Match: what somebody else changes at this moment is not undone.
	conditions := http.Header{"Content-Type": {"application/json"}, "If-Match": {header.Get("ETag")}}
	_, header, err = agent.do(ctx, http.MethodPut, "preferences", conditions, changed)
	if err != nil {
		return err
	}
	later := strings.Split(header.Get(webui.NextStartHeader), ", ")
	for _, assignment := range c.args {
		key, value, _ := strings.Cut(assignment, "=")
		when := ""
		if slices.Contains(later, key) {
			when = "   (from the next start of ebb)"
		}
		fmt.Fprintf(c.out, "%s = %s%s\n", clean(key), clean(value), when)
	}
	return nil
}

// change carries out assignments such as background.storage=20GiB on preferences in JSON. Whether a key exists and a
// value is right, the agent says.
func change(text []byte, assignments []string) ([]byte, error) {
	var sections map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // leaves numbers as they are
	if err := d.Decode(&sections); err != nil {
		return nil, fmt.Errorf("reading the agent's preferences: %w", err)
	}
	for _, assignment := range assignments {
		key, text, ok := strings.Cut(assignment, "=")
		name, key, dotted := strings.Cut(key, ".")
		if !ok || !dotted {
			return nil, wrongUsage("%q is not of the form SECTION.KEY=VALUE, such as background.storage=20GiB", assignment)
		}
		if sections[name] == nil {
			sections[name] = map[string]any{}
		}
		section, ok := sections[name].(map[string]any)
		if !ok {
			return nil, wrongUsage("%s is a list of tables, which only its file can hold: edit ebb.toml", name)
		}
		value, err := valueLike(section[key], text)
		if err != nil {
			return nil, wrongUsage("%s.%s = %s: %w", name, key, text, err)
		}
		section[key] = value
	}
	changed, err := json.Marshal(sections)
	if err != nil {
		return nil, fmt.Errorf("writing the preferences: %w", err)
	}
	return changed, nil
}

// valueLike reads text as a value of the kind that is there now. Lists are separated by commas.
func valueLike(now any, text string) (any, error) {
	switch now.(type) {
	case bool:
		value, err := strconv.ParseBool(text)
		if err != nil {
			return nil, errors.New("expected true or false")
		}
		return value, nil
	case []any:
		values := []string{}
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				values = append(values, part)
			}
		}
		return values, nil
	}
	return text, nil
}
