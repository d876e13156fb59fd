package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"ebb/agent"
	"ebb/webui"
)

// doctor is 'ebb doctor'. It asks the agent that is running; if none is, it looks for itself, with alone.
func doctor(alone func(agent.Options, bool) (webui.Diagnosis, error)) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		mend := c.flags.Bool("mend", false, "repair what can be repaired")
		asJSON := c.flags.Bool("json", false, "print JSON")
		if err := c.parse(0, 0); err != nil {
			return err
		}
		d, err := c.checkUp(ctx, *mend)
		if errors.Is(err, errNotRunning) {
			d, err = alone(c.options(), *mend)
		}
		if err != nil {
			return err
		}
		if *asJSON {
			if err := c.printJSON(d); err != nil {
				return err
			}
		}
		var t table
		for _, f := range d.Findings {
			text := f.About + ": " + f.Text
			if f.Mended {
				text += " (mended)"
			}
			t.row(f.Level, text)
		}
		if !*asJSON {
			t.write(c.out)
		}
		switch n := d.Problems(); {
		case n == 0:
			return nil
		case *mend:
			return fmt.Errorf("%s could not be mended", plural(n, "problem"))
		default:
			return fmt.Errorf("%s; 'ebb doctor -mend' mends what can be mended", plural(n, "problem"))
		}
	}
}

// checkUp has the running agent look over itself.
func (c *call) checkUp(ctx context.Context, mend bool) (d webui.Diagnosis, err error) {
	agent, err := c.agent()
	if err != nil {
		return d, err
	}
	agent.http.Timeout = webui.DoctorTimeout
	method := http.MethodGet
	if mend {
		method = http.MethodPost
	}
	answer, _, err := agent.do(ctx, method, "doctor", nil, nil)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(answer, &d); err != nil {
		return d, fmt.Errorf("reading the agent's answer: %w", err)
	}
	return d, nil
}
