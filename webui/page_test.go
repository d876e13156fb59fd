package webui_test

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestThePageIsServedWithoutAToken(t *testing.T) {
	w := newWorld(t)
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/page.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml",
		"/page.js": "text/javascript; charset=utf-8", "/rows.js": "text/javascript; charset=utf-8", "/view.js": "text/javascript; charset=utf-8",
		"/api.js": "text/javascript; charset=utf-8", "/words.js": "text/javascript; charset=utf-8",
		"/checkup.js": "text/javascript; charset=utf-8",
	} {
		answer := w.send(request{path: path, anonymous: true})
		if answer.Code != 200 || answer.Header().Get("Content-Type") != kind || answer.Body.Len() == 0 {
			t.Errorf("%s: status %d, %s, %d bytes", path, answer.Code, answer.Header().Get("Content-Type"), answer.Body.Len())
		}
		again := w.send(request{path: path, anonymous: true, header: map[string]string{"If-None-Match": answer.Header().Get("ETag")}})
		if again.Code != 304 {
			t.Errorf("%s: status %d when it has not changed", path, again.Code)
		}
	}
}

func TestEveryFileOfThePageIsServed(t *testing.T) {
	w := newWorld(t)
	for name, content := range pageFiles(t) {
		path := "/" + strings.Replace(name, "index.html", "", 1)
		if answer := w.send(request{path: path}); answer.Body.String() != content {
			t.Errorf("%s is not served as it is", name)
		}
	}
}

// The policy in the page's headers would stop all of these; none should be there to be stopped.
func TestThePageMakesNoMarkupFromStringsAndUsesNothingFromElsewhere(t *testing.T) {
	banned := map[string]*regexp.Regexp{
		"markup from a string": regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc`),
		"code from a string":   regexp.MustCompile(`\beval\(|new Function|javascript:`),
		"an inline handler":    regexp.MustCompile(`<[^>]*\son[a-z]+=`),
		"an inline style":      regexp.MustCompile(`<style|<[^>]*\sstyle=`),
		"an inline script":     regexp.MustCompile(`<script(\s[^>]*)?>[^<]`),
		"another site":         regexp.MustCompile(`(https?:)?//[a-z0-9-]+\.[a-z]`),
	}
	for name, content := range pageFiles(t) {
		content = strings.ReplaceAll(content, "http://www.w3.org/2000/svg", "") // names a language, and is not fetched
		for what, pattern := range banned {
			if found := pattern.FindString(content); found != "" {
				t.Errorf("%s has %s: %s", name, what, found)
			}
		}
	}
}

func TestScriptsFindTheElementsThatTheyAskFor(t *testing.T) {
	files := pageFiles(t)
	asked := regexp.MustCompile(`byId\("([^"]+)"\)`)
	for name, content := range files {
		for _, match := range asked.FindAllStringSubmatch(content, -1) {
			if !strings.Contains(files["index.html"], `id="`+match[1]+`"`) {
				t.Errorf("%s asks for #%s, which the page does not have", name, match[1])
			}
		}
	}
}

func TestScriptsAskForWhatTheAPIHas(t *testing.T) {
	method := map[string]string{"get": "GET", "post": "POST", "remove": "DELETE"}
	asks := regexp.MustCompile("api\\.(get|post|remove)\\([`\"]([a-z{}$/]+)")
	found := 0
	for name, content := range pageFiles(t) {
		for _, match := range asks.FindAllStringSubmatch(content, -1) {
			found++
			// "${kind}" stands for each of the lists.
			for _, kind := range []string{"foreground", "background", "candidates"} {
				path := strings.NewReplacer("${kind}", kind, "${hash}", "H").Replace(match[2])
				if e := method[match[1]] + " " + path; !slices.Contains(everyEndpoint, e) {
					t.Errorf("%s asks for %s, which the API does not have", name, e)
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d questions to the API found", found)
	}
}

func pageFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	static := os.DirFS("static")
	entries, err := fs.ReadDir(static, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := fs.ReadFile(static, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	if len(files) < 5 {
		t.Fatalf("only %d files", len(files))
	}
	return files
}
