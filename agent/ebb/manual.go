package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"ebb/agent/prefs"
)

// flagsOf returns the flags of a command, by having it explain itself: it reads them before it does anything.
func flagsOf(cmd command) (flags []*flag.Flag) {
	c := newCall(cmd, []string{"-h"}, io.Discard)
	_ = cmd.do(context.Background(), c) // flag.ErrHelp
	c.flags.VisitAll(func(f *flag.Flag) { flags = append(flags, f) })
	return flags
}

// manualFiles says where things are, in the language of man pages.
const manualFiles = `.SH FILES
.TP
.I /etc/ebb/ebb.toml
the preferences; of who is not root, ~/.config/ebb/ebb.toml
.TP
.I /var/lib/ebb
what ebb keeps: fragments, tables, the token; and downloads, unless foreground.directory names another place. Of who is
not root, ~/.local/state/ebb
`

// manual is 'ebb manual': a page for man(1), out of what help says.
func manual(_ context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(".TH EBB 1\n.SH NAME\nebb \\- lend disk and bandwidth to torrent swarms in need, and download\n.SH SYNOPSIS\n.B ebb\n.I COMMAND\n\\&...\n.SH COMMANDS\n")
	for _, cmd := range commands() {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n", roff(strings.TrimSpace("ebb "+cmd.name+" "+cmd.args)), roff(cmd.about))
		for _, f := range flagsOf(cmd) {
			if f.Name == "config" || f.Name == "state" {
				continue // of all of them: see below
			}
			value, about := flag.UnquoteUsage(f)
			fmt.Fprintf(&b, ".RS\n.TP\n.B %s\n%s.\n.RE\n", roff(strings.TrimSpace("-"+f.Name+" "+value)), roff(about))
		}
	}
	b.WriteString(".SH NOTES\n")
	for line := range strings.Lines(strings.TrimSpace(helpEnd)) {
		fmt.Fprintf(&b, "%s\n.br\n", roff(strings.TrimSpace(line)))
	}
	b.WriteString(manualFiles)
	b.WriteString(".SH PREFERENCES\nKept in ebb.toml, or changed by ebb prefs:\n.nf\n")
	p := prefs.Default()
	p.State.Directory = "/var/lib/ebb" // as for root, whoever makes the page
	for line := range strings.Lines(string(p.Text())) {
		b.WriteString(roff(strings.TrimRight(line, "\n")) + "\n")
	}
	b.WriteString(".fi\n")
	_, err := io.WriteString(c.out, b.String())
	return err
}

// roff writes text so that roff takes none of it for an order.
func roff(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			out.WriteString(`\e`)
		case r == '-':
			out.WriteString(`\-`)
		case r > unicode.MaxASCII:
			fmt.Fprintf(&out, `\[u%04X]`, r)
		default:
			out.WriteRune(r)
		}
	}
	text = out.String()
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// completion is 'ebb completion': a script for the shell that is named. The shell of a router, ash, completes nothing but
// file names.
func completion(_ context.Context, c *call) error {
	if err := c.parse(1, 1); err != nil {
		return err
	}
	before, after := "", ""
	switch c.args[0] {
	case "bash":
	case "zsh":
		// In a file of that name on zsh's fpath, this is what zsh runs when it first completes.
		before = "#compdef ebb\nautoload -U +X bashcompinit && bashcompinit\n"
		after = "if [ \"${funcstack[1]}\" = _ebb ]; then _bash_complete -o default -F _ebb; fi\n"
	default:
		return wrongUsage("there is a completion for bash and for zsh, not for %q", c.args[0])
	}
	var names []string
	var cases strings.Builder
	for _, cmd := range commands() {
		names = append(names, cmd.name)
		var words []string
		for _, f := range flagsOf(cmd) {
			words = append(words, "-"+f.Name)
		}
		switch {
		case cmd.name == "prefs":
			for _, key := range prefs.Keys() {
				words = append(words, key.Section+"."+key.Name+"=")
			}
		case cmd.name == "completion":
			words = append(words, "bash", "zsh")
		}
		list := `"` + strings.Join(words, " ") + `"`
		if strings.Contains(cmd.args, "HASH") && !strings.Contains(cmd.args, "INFO-HASH") {
			list += `" $(ebb list -hashes 2>/dev/null)"`
		}
		fmt.Fprintf(&cases, "    %s) words=%s ;;\n", cmd.name, list)
	}
	slices.Sort(names)
	script := fmt.Sprintf(`_ebb() {
  local words cur=${COMP_WORDS[COMP_CWORD]}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "%s" -- "$cur"))
    return
  fi
  case ${COMP_WORDS[1]} in
%s  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _ebb ebb
`, strings.Join(names, " "), cases.String())
	_, err := io.WriteString(c.out, before+script+after)
	return err
}
