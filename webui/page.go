package webui

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the files of the page
	"encoding/hex"
	"net/http"
	"time"
)

var (
	//go:embed static/index.html
	indexHTML []byte
	//go:embed static/page.css
	pageCSS []byte
	//go:embed static/page.js
	pageJS []byte
	//go:embed static/api.js
	apiJS []byte
	//go:embed static/view.js
	viewJS []byte
	//go:embed static/rows.js
	rowsJS []byte
	//go:embed static/checkup.js
	checkupJS []byte
	//go:embed static/preferences.js
	preferencesJS []byte
	//go:embed static/tokens.js
	tokensJS []byte
	//go:embed static/words.js
	wordsJS []byte
	//go:embed static/icon.svg
	iconSVG []byte
)

// newPage serves the files of the page. Their types are given here, as the system's table of types is missing on a
// router.
func (s *server) newPage() http.Handler {
	const script = "text/javascript; charset=utf-8"
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", newFile("text/html; charset=utf-8", indexHTML))
	mux.Handle("GET /page.css", newFile("text/css; charset=utf-8", pageCSS))
	mux.Handle("GET /page.js", newFile(script, pageJS))
	mux.Handle("GET /api.js", newFile(script, apiJS))
	mux.Handle("GET /view.js", newFile(script, viewJS))
	mux.Handle("GET /rows.js", newFile(script, rowsJS))
	mux.Handle("GET /checkup.js", newFile(script, checkupJS))
	mux.Handle("GET /preferences.js", newFile(script, preferencesJS))
	mux.Handle("GET /tokens.js", newFile(script, tokensJS))
	mux.Handle("GET /words.js", newFile(script, wordsJS))
	mux.Handle("GET /icon.svg", newFile("image/svg+xml", iconSVG))
	mux.HandleFunc("/", s.nothing)
	return mux
}

// newFile serves one file. Browsers ask each time whether it has changed, so that the page always fits the agent that
// serves it.
func newFile(contentType string, content []byte) http.Handler {
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}
