package webui_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"ebb/webui/webuitest"
)

// proxied is an ebb behind a reverse proxy, and a browser that is in.
type proxied struct {
	t       *testing.T
	base    string // of the page, as the browser sees it
	browser http.Client
}

// proxy puts s behind a reverse proxy, below a path that begins and ends with '/'. rewrite says what it does besides
// replacing Host, as nginx does if nobody says otherwise.
func proxy(t *testing.T, s *served, path string, rewrite func(*httputil.ProxyRequest)) *proxied {
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	reverse := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		rewrite(r)
	}}
	server := httptest.NewServer(http.StripPrefix(strings.TrimSuffix(path, "/"), reverse))
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &proxied{t, server.URL + path, http.Client{Jar: jar}}
}

// send sends what the page would, as a browser does in a LAN: without Sec-Fetch-Site, which needs https.
func (p *proxied) send(method, path, bearer string) (status int, body string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(bounded(p.t), method, p.base+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if method != http.MethodGet {
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := p.browser.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	if strings.HasSuffix(path, "/events") {
		line, err := bufio.NewReader(response.Body).ReadString('\n')
		if err != nil {
			p.t.Fatal(err)
		}
		return response.StatusCode, line
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestThePageWorksBehindAReverseProxy(t *testing.T) {
	for name, c := range map[string]struct {
		path    string
		rewrite func(*httputil.ProxyRequest)
	}{
		"below a path, with Host": {"/ebb/", func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host }},
		"at the root, with Host":  {"/", func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host }},
		"with X-Forwarded-Host":   {"/a/b/", func(r *httputil.ProxyRequest) { r.SetXForwarded() }},
	} {
		t.Run(name, func(t *testing.T) {
			p := proxy(t, serve(t), c.path, c.rewrite)
			for _, step := range []struct {
				method, path, bearer string
				status               int
			}{
				{"GET", "", "", 200},
				{"GET", "page.js", "", 200},
				{"GET", "api/v1/status", "", 401},
				{"POST", "api/v1/session", token, 204},
				{"GET", "api/v1/status", "", 200},
				{"GET", "api/v1/events", "", 200},
				{"POST", "api/v1/background/" + webuitest.Hash(0x21).String() + "/veto", "", 204},
			} {
				if status, body := p.send(step.method, step.path, step.bearer); status != step.status {
					t.Errorf("%s %s: %d, want %d: %s", step.method, step.path, status, step.status, body)
				}
			}
		})
	}
}

func TestWhatAReverseProxyLeavesOutIsSaid(t *testing.T) {
	s := serve(t)
	p := proxy(t, s, "/", func(*httputil.ProxyRequest) {})
	if status, body := p.send("POST", "api/v1/session", token); status != 403 || !strings.Contains(body, "Origin") || !strings.Contains(body, "proxy_set_header Host $http_host") {
		t.Errorf("without Host: %d, %s", status, body)
	}
	p = proxy(t, s, "/", func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host; r.SetXForwarded() })
	if status, body := p.send("GET", "ebb/api/v1/status", token); status != 404 || !strings.Contains(body, "leave out the path") {
		t.Errorf("with a path of its own: %d, %s", status, body)
	}
}

func TestForwardedHeadersLetNoOtherSiteIn(t *testing.T) {
	w := newWorld(t)
	for _, header := range []map[string]string{
		{"Origin": "http://evil.example", "X-Forwarded-Host": "nas.example.net"},
		{"Origin": "http://evil.example", "X-Forwarded-Host": ""},
		{"Origin": "null", "X-Forwarded-Host": ""},
		{"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example", "Sec-Fetch-Site": "cross-site"},
	} {
		w.status(403, request{method: "POST", path: "/api/v1/session", header: header})
	}
}
