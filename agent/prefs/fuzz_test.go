package prefs_test

import (
	"testing"

	"ebb/agent/prefs"
)

// Whatever the text, Parse ends with an error that says something, or with valid preferences that read back the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(complete))
	f.Add(prefs.Default().Text())
	f.Add([]byte("background.storage = '10%'\nfeed = [{url = \"http://a.example\"}]"))
	f.Add([]byte("a = [\"\"\"x\"\"\"\", [[[[\n[[feed]]\nurl = 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := prefs.Parse(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a word")
			}
			return
		}
		readsBackWhole(t, p)
	})
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"background": {"storage": "20GiB", "hours": ["22:00-07:00"]}, "feed": [{"url": "http://a.example"}]}`))
	f.Add([]byte(`{"background": {"storage": 12e3}} `))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := prefs.ParseJSON(text); err == nil {
			readsBackWhole(t, p)
		}
	})
}

func readsBackWhole(t *testing.T, p prefs.Preferences) {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Errorf("parsed, but not valid: %v", err)
	}
	if again, err := prefs.Parse(p.Text()); err != nil || !again.Equal(p) {
		t.Errorf("%v: %+v became %+v", err, p, again)
	}
}
