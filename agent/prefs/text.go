package prefs

import (
	"fmt"
	"strings"
)

const preamble = `# ebb preferences. ebb reads this file when it changes, and writes it anew, without your comments, when the page
# changes it. Sizes are written like "20GiB" or "500MB", rates like "5Mbit/s" or "4MiB/s".
`

// Text writes ebb.toml: every key with its meaning, in sections. Parse reads it back as the same preferences, if they
// are valid.
func (p Preferences) Text() []byte {
	var b strings.Builder
	b.WriteString(preamble)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n# %s\n[%s]\n", s.about, s.name)
		for _, k := range s.keys {
			about := k.about
			if k.fixed {
				about = strings.TrimSpace(about + " A change takes effect at the next start.")
			}
			if about != "" {
				fmt.Fprintf(&b, "# %s\n", about)
			}
			if value := k.text(&p); value == `""` && k.example != "" {
				fmt.Fprintf(&b, "# %s = %s\n", k.name, k.example)
			} else {
				fmt.Fprintf(&b, "%s = %s\n", k.name, value)
			}
		}
		if s.name == "sources" {
			p.writeFeeds(&b)
		}
	}
	return []byte(b.String())
}

func (p Preferences) writeFeeds(b *strings.Builder) {
	b.WriteString("\n# Feeds of torrents worth helping, such as archives, distributions, data sets: RSS, Atom, CSV, JSON, or lines.\n")
	if len(p.Feeds) == 0 {
		fmt.Fprintf(b, "# [[%s]]\n# url = \"https://example.org/feed.xml\"\n# name = \"Archive\"\n# policy = \"ask\"\n# max_size = \"50GiB\"\n", feedSection)
	}
	for _, feed := range p.Feeds {
		fmt.Fprintf(b, "[[%s]]\n", feedSection)
		for _, k := range feedKeys {
			if text := k.text(&feed); text != "" {
				fmt.Fprintf(b, "%s = %s\n", k.name, text)
			}
		}
	}
}
