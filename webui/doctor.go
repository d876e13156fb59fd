package webui

import (
	"net/http"
	"time"
)

// DoctorTimeout is how long a check-up may take. A hundred thousand fragments on a slow USB disk are some minutes of
// looking.
const DoctorTimeout = 15 * time.Minute

// doctor answers with a check-up, which mends what can be mended if mend is set.
func (s *server) doctor(mend bool) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		// Not queued: those who wait would make the disk work again for the same answer.
		if !s.checkup.TryLock() {
			return &refusal{http.StatusConflict, "a check-up is under way already: wait for it to end"}
		}
		defer s.checkup.Unlock()
		// In place of the server's time limit, which is for short answers.
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(DoctorTimeout)); err != nil {
			s.log.Debug("a check-up has to be short", "err", err)
		}
		d, err := s.agent.Doctor(r.Context(), mend)
		if err != nil {
			return err
		}
		if d.Findings == nil {
			d.Findings = []Finding{} // [] and not null
		}
		s.answer(w, r, http.StatusOK, d)
		return nil
	}
}
