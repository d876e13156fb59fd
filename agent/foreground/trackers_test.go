package foreground_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"ebb/agent/foreground"
	"ebb/agent/peersource"
	"ebb/build/lab"
)

func TestWhatTrackersSayIsInThePicture(t *testing.T) {
	w := newWorld(t)
	tracker := func(answer string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		t.Cleanup(server.Close)
		return server.URL + "/announce"
	}
	refuses := tracker("d14:failure reason20:Unregistered torrente")
	warns := tracker("d8:intervali1800e5:peers0:15:warning message4:soone")
	c := w.content("film.bin", 1<<20, 64<<10, lab.Trackers(refuses, warns))
	s := w.open()
	w.add(c)
	w.await(c.Hash, "told what trackers say", func(picture foreground.Torrent) bool {
		said := make(map[string]peersource.Report)
		for _, r := range picture.Reports {
			said[r.Source] = r
		}
		no := (*peersource.Refusal)(nil)
		return errors.As(said[refuses].Err, &no) && no.Reason == "Unregistered torrent" && said[warns].Warning == "soon" && said[warns].Err == nil
	})
	if err := s.Stop(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.await(c.Hash, "silent on trackers when it is stopped", func(picture foreground.Torrent) bool { return len(picture.Reports) == 0 })
}
