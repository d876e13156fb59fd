package prefs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOpenWrtKnowsEveryKey compares OpenWrt's init script with the table of keys: it turns UCI's options into ebb.toml, and
// has to know of each what kind of value it is.
func TestOpenWrtKnowsEveryKey(t *testing.T) {
	script, err := os.ReadFile("../../firmware/openwrt/ebb/files/ebb.init")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(script), "\neach_section() {\n")
	body, _, found := strings.Cut(rest, "\n}\n")
	if !found {
		t.Fatal("it has no each_section")
	}
	var got []string
	for call := range strings.SplitSeq(body, `"$@" `) {
		section, _, _ := strings.Cut(call, " ")
		for _, option := range regexp.MustCompile(`'([a-z_]+):([a-z]+)`).FindAllStringSubmatch(call, -1) {
			got = append(got, section+"."+option[1]+" "+option[2])
		}
	}
	var want []string
	p := Default()
	for _, s := range sections {
		for _, k := range s.keys {
			kind := "string"
			switch text := k.text(&p); {
			case text == "true" || text == "false":
				kind = "bool"
			case strings.HasPrefix(text, "["):
				kind = "list"
			}
			want = append(want, s.name+"."+k.name+" "+kind)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("OpenWrt knows\n%s\nbut there are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
