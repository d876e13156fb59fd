package platform

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// shipped is what a router of some years has.
const shipped = `
config queue 'eth1'
	option enabled '0'
	option interface 'eth1'
	option download '85000'
	option upload '10000'
	option qdisc 'fq_codel'	# the older one
	option script 'simple.qos'
	list ignored 'a b'

# by hand
config queue
	option interface "wan"
	option	download	50000
	option upload 9500
	option enabled 1
`

func TestSQMQueuesThatAreOn(t *testing.T) {
	queues, err := tree(t, map[string]string{"etc/config/sqm": shipped}).SQM()
	if want := []SQM{{"wan", 6_250_000, 1_187_500}}; err != nil || !reflect.DeepEqual(queues, want) {
		t.Errorf("got %+v, %v; want %+v", queues, err, want)
	}
}

func TestSQMOfAnInterface(t *testing.T) {
	queue := func(name string) string {
		return "config queue\n option enabled 1\n option interface '" + name + "'\n option download 8000\n option upload 800\n"
	}
	for name, c := range map[string]struct {
		sqm, wan, want string
	}{
		"its own":                          {queue("eth9") + queue("pppoe-wan"), "pppoe-wan", "pppoe-wan"},
		"that of the port below a VLAN":    {queue("br-lan") + queue("wan"), "wan.7", "wan"},
		"the only one, for PPPoE":          {queue("wan"), "pppoe-wan", "wan"},
		"not the only one":                 {queue("wan") + queue("eth9"), "pppoe-wan", ""},
		"one on the LAN":                   {queue("br-lan"), "pppoe-wan", ""},
		"another's, which is not for PPP":  {queue("eth9"), "wan", ""},
		"none that is on":                  {strings.ReplaceAll(queue("pppoe-wan"), "enabled 1", "enabled 0"), "pppoe-wan", ""},
		"none that says whether it is on":  {strings.ReplaceAll(queue("pppoe-wan"), "option enabled 1", ""), "pppoe-wan", ""},
		"one without an interface":         {"config queue\n option enabled 1\n", "pppoe-wan", ""},
		"a section of another kind":        {strings.ReplaceAll(queue("pppoe-wan"), "queue", "interface"), "pppoe-wan", ""},
		"one of an interface of that name": {queue("../wan"), "../wan", "../wan"}, // a name only: it is no path here
	} {
		files := maps.Clone(router)
		files["etc/config/sqm"] = c.sqm
		got, err := tree(t, files).SQMOf(c.wan)
		if got.Interface != c.want || (c.want == "") != errors.Is(err, fs.ErrNotExist) || (c.want != "" && (got.Download != 1_000_000 || got.Upload != 100_000)) {
			t.Errorf("%s: got %+v, %v; want %q", name, got, err, c.want)
		}
	}
	if got, err := tree(t, nil).SQMOf("wan"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %+v, %v", got, err)
	}
}

func TestSQMRatesThatAreNoneAreNotKnown(t *testing.T) {
	for rate, want := range map[string]int64{"0": 0, "": 0, "-5": 0, "fast": 0, "8": 1000, "8.5": 0, "99999999999": 0, "9223372036854775808": 0, "1000000000": 125_000_000_000} {
		if got := kilobits(rate); got != want {
			t.Errorf("%q: got %d, want %d", rate, got, want)
		}
	}
}

func TestSQMConfigurationThatIsNoFileOfReason(t *testing.T) {
	f := tree(t, map[string]string{"etc/config/sqm": "#" + strings.Repeat("x", 64<<10)})
	if got, err := f.SQM(); err == nil {
		t.Errorf("too long: got %+v", got)
	}
	f = tree(t, map[string]string{"etc/config/sqm/x": ""})
	if got, err := f.SQM(); err == nil {
		t.Errorf("a directory: got %+v", got)
	}
	f = tree(t, map[string]string{"etc/config/x": ""})
	if err := syscall.Mkfifo(filepath.Join(f.Etc, "config/sqm"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := f.SQM(); err == nil { // and it does not wait for somebody to write to it
		t.Errorf("a pipe: got %+v", got)
	}
}

func TestUCI(t *testing.T) {
	type options = map[string]string
	for text, want := range map[string][]section{
		"":                                 nil,
		"\n\n # nothing":                   nil,
		"package sqm":                      nil,
		"config queue":                     {{"queue", "", options{}}},
		"config queue 'a'\noption x 'y'\n": {{"queue", "a", options{"x": "y"}}},
		"\tconfig  queue\ta\r\n\toption\tx  y  \r\n":             {{"queue", "a", options{"x": "y"}}},
		"config queue a\noption x 1\noption x 2":                 {{"queue", "a", options{"x": "2"}}},
		"config queue a; option x 1; list y z":                   {{"queue", "a", options{"x": "1"}}},
		"config queue a\noption x 'it'\\''s'":                    {{"queue", "a", options{"x": "it's"}}},
		`config queue a` + "\n" + `option x "a \"b\" \\ 'c'"`:    {{"queue", "a", options{"x": `a "b" \ 'c'`}}},
		"config queue a\noption x 'two\nlines'\noption y ''":     {{"queue", "a", options{"x": "two\nlines", "y": ""}}},
		"config queue a\noption x \\\n 5 # five\noption y '#'":   {{"queue", "a", options{"x": "5", "y": "#"}}},
		`config queue a` + "\n" + `option x 'a\b'`:               {{"queue", "a", options{"x": `a\b`}}},
		"config queue a\noption x un'quo'ted":                    {{"queue", "a", options{"x": "unquoted"}}},
		"config queue a\noption x 1\nconfig queue a\noption y 2": {{"queue", "a", options{"x": "1", "y": "2"}}},
		"config queue\noption x 1\nconfig queue\noption y 2":     {{"queue", "", options{"x": "1"}}, {"queue", "", options{"y": "2"}}},
		"config queue a\nconfig rule a\noption x 1":              {{"queue", "a", options{}}, {"rule", "a", options{"x": "1"}}},
		"config queue a\noption x \\":                            nil,
	} {
		sections, err := parseUCI(text)
		var got []section
		for _, s := range sections {
			got = append(got, *s)
		}
		if wantErr := strings.HasSuffix(text, "\\"); !reflect.DeepEqual(got, want) || (err != nil) != wantErr {
			t.Errorf("%q:\ngot  %q, %v\nwant %q", text, got, err, want)
		}
	}
}

func TestUCIErrorsNameTheLine(t *testing.T) {
	for text, line := range map[string]string{
		"option x 1":                          "line 1:",
		"config queue a\noption x":            "line 2:",
		"config queue a\n\n\noption x 1 2":    "line 4:",
		"config queue a\noption x '1\n\n":     "line 2:",
		"config queue a\noption x \"1\n\n\\":  "line 2:",
		"config queue a\nconfig":              "line 2:",
		"config queue a\nconfig b c d":        "line 2:",
		"# x\nlist a b":                       "line 2:",
		"package":                             "line 1:",
		"config q\noption a 'b\nc'\nnonsense": "line 4:",
		"''":                                  "line 1:",
	} {
		if got, err := parseUCI(text); err == nil || !strings.HasPrefix(err.Error(), line) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, %v; want %s", text, got, err, line)
		}
	}
}

func FuzzSQM(f *testing.F) {
	f.Add(shipped)
	f.Add("config queue a; option interface 'x\ny'\\''z'\noption enabled \"1\"\\\n#")
	f.Fuzz(func(t *testing.T, text string) {
		queues, err := parseSQM(text)
		if err != nil && (queues != nil || strings.Contains(err.Error(), "\n")) {
			t.Fatalf("%+v, %v", queues, err)
		}
		if 12*len(queues) > len(text) {
			t.Fatalf("%d queues from %d bytes", len(queues), len(text))
		}
		for _, queue := range queues {
			if queue.Download < 0 || queue.Upload < 0 || queue.Interface == "" {
				t.Fatalf("%+v", queue)
			}
		}
	})
}
