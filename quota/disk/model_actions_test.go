package disk

import (
	"crypto/sha1"
	"errors"
	"time"

	"pgregory.net/rapid"

	"ebb/platform"
	"ebb/quota/disk/fragstore"
)

func (m *model) admitSome(t *rapid.T) {
	k := key(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "swarm"), rapid.Uint32Range(0, 9).Draw(t, "index"))
	if _, busy := m.incoming[k]; busy {
		return
	}
	length := rapid.SampledFrom([]int64{1, 10 * kib, 64 * kib}).Draw(t, "length")
	value := float64(rapid.IntRange(0, 20).Draw(t, "value"))
	admit, asked := m.ledger.Admit, rapid.Bool().Draw(t, "asked")
	if asked {
		admit = m.ledger.AdmitAsked
	}
	used, inFlight, charge := m.used(), m.inFlight(), m.store.Charge(length)
	held := m.store.Has(k)
	if m.broken == nil && !held && !m.readOnly && used+charge > m.mayHave() && m.limit() < m.allotment() && m.apart == nil && m.promised() > 0 {
		defer func(before int64) { // it may have asked again, or have found that the budget is spent
			if got := m.ledger.Usage().Promised; got != before && got != m.promised() {
				t.Fatalf("promised: %d", got)
			}
		}(m.promised())
		if asked || m.limits.Writes < 0 {
			m.refresh()
		} else {
			m.ledger.Enforce() // as if there had been a check just before
			m.afterCheck(t, used)
			used, inFlight = m.used(), m.inFlight()
		}
	}
	limit := m.mayHave()
	var replaceable int64
	for k, v := range m.values {
		if v*1.5 < value {
			replaceable += m.sizes[k]
		}
	}
	written := m.store.Written()
	w, err := admit(k, length, sha1.Sum(content(k, length)), value)
	gone := m.forget(t, func(victim float64) bool { return victim*1.5 < value })
	if err != nil && gone > 0 {
		t.Fatalf("Admit has reclaimed %d in vain: %v", gone, err)
	}
	switch {
	case held && m.broken == nil:
		if !errors.Is(err, fragstore.ErrHeld) {
			t.Fatalf("Admit of a held fragment: %v", err)
		}
	case m.broken != nil:
		if err == nil || !held && !errors.Is(err, m.broken) {
			t.Fatalf("Admit to a disk that cannot be measured: %v", err)
		}
	case m.readOnly:
		if !errors.Is(err, ErrReadOnly) {
			t.Fatalf("Admit to a read-only disk: %v", err)
		}
	case errors.Is(err, ErrBudget):
		if most := m.carried + m.store.Written() - m.atLeast; asked || m.limits.Writes < 0 || most+inFlight+length <= m.limits.Writes {
			t.Fatalf("Admit of %d, asked %v, with %d written and %d in flight: %v", length, asked, most, inFlight, err)
		}
	case used+charge-replaceable > limit:
		if !errors.Is(err, ErrNoRoom) {
			t.Fatalf("Admit of %d with %d of %d used, %d of it replaceable: %v", charge, used, limit, replaceable, err)
		}
	case err != nil:
		t.Fatalf("Admit of %d with %d of %d used, %d of it replaceable: %v", charge, used, limit, replaceable, err)
	default:
		m.incoming[k] = w
		if got := m.used(); got > limit {
			t.Fatalf("%d are used, the limit is %d", got, limit)
		}
		if used+charge <= limit && gone > 0 {
			t.Fatalf("%d reclaimed with room enough", gone)
		}
		if least := m.carried + written - m.atMost; !asked && m.limits.Writes >= 0 && least+inFlight+length > m.limits.Writes {
			t.Fatalf("Admit of %d with %d written and %d in flight of a budget of %d", length, least, inFlight, m.limits.Writes)
		}
	}
}

// finish ends what is incoming: it is committed, or found wrong, or given up.
func (m *model) finish(t *rapid.T) {
	for k, w := range m.incoming {
		switch rapid.SampledFrom([]string{"commit", "wrong", "abort", "later"}).Draw(t, "end") {
		case "commit":
			for _, length := range []int64{1, 10 * kib, 64 * kib} {
				if m.store.Charge(length) == w.Charge() {
					_, err := w.WriteAt(content(k, length), 0)
					must(t, err)
				}
			}
			value := w.Value()
			must(t, w.Commit())
			m.values[k], m.sizes[k] = value, w.Charge()
		case "wrong":
			if err := w.Commit(); !errors.Is(err, fragstore.ErrHash) {
				t.Fatalf("Commit of nothing: %v", err)
			}
		case "abort":
			w.Abort()
		case "later":
			continue
		}
		delete(m.incoming, k)
	}
}

func (m *model) setLimits(t *rapid.T) {
	m.limits = Limits{
		Storage:  rapid.Int64Range(0, 600).Draw(t, "storage") * kib,
		Share:    rapid.SampledFrom([]float64{0, 0, 0.5}).Draw(t, "share"),
		KeepFree: rapid.Int64Range(0, 200).Draw(t, "keepFree") * kib,
		Writes:   rapid.SampledFrom([]int64{unlimited, unlimited, 300 * kib, 0}).Draw(t, "writes"),
	}
	m.stopped = false
	setLimits(m.ledger, m.limits)
}

// free is what df would say.
func (m *model) free() int64 { return modelDisk - m.others - m.used() }

func (m *model) othersWrite(t *rapid.T) {
	m.fill(rapid.Int64Range(0, max(modelDisk-m.used(), 0)/kib).Draw(t, "others") * kib)
}

// land lets some bytes of a download come to the disk.
func (m *model) land(t *rapid.T) {
	d := m.coming[hashOf(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "download"))]
	if d == nil {
		return
	}
	n := rapid.Int64Range(0, max(min(d.remaining(), m.free()), 0)/kib).Draw(t, "bytes") * kib
	d.Add(-n)
	if m.apart == nil {
		m.fill(m.others + n)
	}
}

// grow changes what is to come of a download, although nothing has landed.
func (m *model) grow(t *rapid.T) {
	if d := m.coming[hashOf(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "download"))]; d != nil {
		d.Store(rapid.Int64Range(-1, 500).Draw(t, "remaining") * kib)
	}
}

func (m *model) mount(t *rapid.T) {
	if m.broken != nil {
		return
	}
	m.set(func() {
		m.apart = nil
		if rapid.Bool().Draw(t, "apart") {
			m.apart = &platform.FileSystem{ID: "usb", Free: rapid.Int64Range(0, 500).Draw(t, "free") * kib, Total: 500 * kib}
		}
	})
}

func (m *model) trouble(t *rapid.T) {
	m.set(func() {
		m.readOnly, m.broken = rapid.Bool().Draw(t, "readOnly"), nil
		if rapid.Bool().Draw(t, "broken") {
			m.broken = errors.New("the disk was pulled out")
		}
	})
}

func (m *model) enforce(t *rapid.T) {
	before := m.used()
	freed := m.ledger.Enforce()
	if gone := m.afterCheck(t, before); freed != gone {
		t.Fatalf("Enforce freed %d, says %d", gone, freed)
	}
}

// afterCheck looks what a check has done, when so much was used before it.
func (m *model) afterCheck(t *rapid.T, before int64) (freed int64) {
	m.refresh()
	m.mayHave()
	m.dropAborted()
	if gone := m.forget(t, m.lowestValue); gone > 0 && len(m.incoming) > 0 {
		t.Fatal("fragments went before what is incoming")
	}
	used, limit := m.used(), m.limit()
	if before <= limit || m.broken != nil || m.readOnly {
		if used != before {
			t.Fatalf("Enforce went from %d to %d, without a reason", before, used)
		}
		return 0
	}
	if most := int64(64*kib + limit/slackShare); used > limit || limit-used > most {
		t.Fatalf("Enforce went from %d to %d, the limit is %d", before, used, limit)
	}
	if m.room() < m.allotment() {
		m.stopped, m.level, m.resumeAt = true, used, limit+limit-used
	}
	return before - used
}

func (m *model) reserve(t *rapid.T) {
	h := hashOf(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "download"))
	d := new(download)
	d.Store(rapid.Int64Range(-1, 900).Draw(t, "bytes") * kib)
	m.refresh()
	old := m.told[h]
	m.told[h] = max(d.remaining(), 0)
	missing := m.promised() - (modelDisk - m.others)
	if m.apart != nil {
		missing = m.promised() - m.apart.Free
	} else if m.broken == nil {
		m.mayHave()
	}
	before := m.used()
	err := m.ledger.Reserve(h, d.remaining)
	m.dropAborted()
	gone := m.forget(t, m.lowestValue)
	var noSpace *NoSpaceError
	switch {
	case m.apart == nil && m.broken != nil:
		if !errors.Is(err, m.broken) {
			t.Fatalf("Reserve without a measurement: %v", err)
		}
	case missing > 0:
		if !errors.As(err, &noSpace) || noSpace.Missing != missing || noSpace.Apart != (m.apart != nil) {
			t.Fatalf("Reserve with %d missing: %v", missing, err)
		}
	case m.apart == nil && m.readOnly && missing+before > 0:
		if !errors.Is(err, ErrReadOnly) {
			t.Fatalf("Reserve of what only fragments on a read-only disk could make room for: %v", err)
		}
	case err != nil:
		t.Fatalf("Reserve with room for it: %v", err)
	case m.apart == nil && !m.readOnly && m.used() > m.limit():
		t.Fatalf("Reserve has left %d used, the limit is %d", m.used(), m.limit())
	case m.apart == nil && before > m.limit() && m.limit()-m.used() >= 64*kib:
		t.Fatalf("Reserve has gone from %d down to %d, the limit is %d", before, m.used(), m.limit())
	}
	if (err != nil || m.apart != nil || m.readOnly || before <= m.limit()) && (gone > 0 || m.used() != before) {
		t.Fatalf("Reserve has reclaimed in vain, from %d to %d: %v", before, m.used(), err)
	}
	if err == nil {
		m.coming[h] = d
		return
	}
	m.told[h] = old
	if m.coming[h] == nil {
		delete(m.told, h)
	}
}

func (m *model) release(t *rapid.T) {
	h := hashOf(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "download"))
	m.ledger.Withdraw(h)
	delete(m.coming, h)
	delete(m.told, h)
}

func (m *model) deleteOne(t *rapid.T) {
	k := key("a", rapid.Uint32Range(0, 9).Draw(t, "index"))
	_, err := m.store.Delete(k)
	must(t, err)
	delete(m.values, k)
	delete(m.sizes, k)
}

// setClock sets the clock, in either direction.
func (m *model) setClock(t *rapid.T) {
	m.wall = m.wall.Add(time.Duration(rapid.IntRange(-50, 50).Draw(t, "hours")) * time.Hour)
	m.newDay()
}

// restart stops the ledger in order, or not; then what it has counted since it last wrote it down is lost, and no more.
func (m *model) restart(t *rapid.T) {
	m.ledger.Usage()
	if rapid.Bool().Draw(t, "clean") {
		least := m.carried + m.seen - m.atMost
		m.ledger.keepBudget(true)
		if kept := m.ledger.kept.Used(); kept < least {
			t.Fatalf("%d of %d bytes written today were kept", kept, least)
		}
	}
	must(t, m.store.Close())
	clear(m.incoming)
	m.set(func() { m.broken = nil }) // what was known of the disks would be forgotten
	m.start(t)
}
