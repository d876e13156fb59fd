package disk

import (
	"iter"
	"testing"

	"ebb/quota/disk/fragstore"
)

const planted = 10000

// plantedWorld has 10,000 fragments of 1 MiB on a disk that they fill.
func plantedWorld(b *testing.B) *world {
	return newPlanted(b, b.TempDir(), 1000, planted/1000, planted*mib, Limits{Storage: planted * mib})
}

// The budget: from a breach of the quota to back within it in 1 s, with 10,000 fragments of 1 MiB.
func BenchmarkReclaim10000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := plantedWorld(b)
		setLimits(w.ledger, Limits{})
		b.StartTimer()
		freed := w.ledger.Enforce()
		b.StopTimer()
		if freed != planted*mib {
			b.Fatalf("freed %d", freed)
		}
		must(b, w.store.Close())
		b.StartTimer()
	}
}

// The budget: a reservation that needs 1,000 of 10,000 fragments of 1 MiB gone, in 150 ms.
func BenchmarkReserve1000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := plantedWorld(b)
		b.StartTimer()
		err := w.ledger.Reserve(hashOf("download"), remains(1000*mib))
		b.StopTimer()
		must(b, err)
		if left, _ := w.store.Stats(); left != planted-1000 {
			b.Fatalf("%d fragments are left", left)
		}
		must(b, w.store.Close())
		b.StartTimer()
	}
}

// pretended is a full store of 100,000 fragments.
type pretended struct {
	*fragstore.Store
	fragments []fragstore.Fragment
}

func (p pretended) Fragments() iter.Seq[fragstore.Fragment] {
	return func(yield func(fragstore.Fragment) bool) {
		for _, f := range p.fragments {
			if !yield(f) {
				return
			}
		}
	}
}

// An admission to a full store looks at every fragment.
func BenchmarkChooseAmong100000(b *testing.B) {
	var p pretended
	for i := range 100000 {
		p.fragments = append(p.fragments, fragstore.Fragment{Key: key("a", uint32(i)), Bytes: mib, Value: float64(i * 7919 % 100003)})
	}
	for name, need := range map[string]int64{"One": mib, "TenThousand": 10000 * mib} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				chooseVictims(p.Fragments(), need)
			}
		})
	}
}
