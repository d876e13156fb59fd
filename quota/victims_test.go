package quota

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ebb/quota/fragstore"
)

func TestReclaimTakesLowestValueFirst(t *testing.T) {
	now := time.Unix(1000, 0)
	fragment := func(index uint32, bytes int64, value float64, served time.Time) fragstore.Fragment {
		return fragstore.Fragment{Key: key("a", index), Bytes: bytes, Value: value, LastServed: served}
	}
	all := []fragstore.Fragment{
		fragment(0, 10, 3, now),
		fragment(1, 10, 1, now),
		fragment(2, 10, 2, now),
		fragment(3, 10, 1, now.Add(-time.Hour)),
		fragment(4, 10, 1, time.Time{}),
	}
	for need, want := range map[int64][]uint32{
		-1: {}, 0: {},
		1: {4}, 10: {4}, // never served goes before served long ago, and that before served lately
		11: {4, 3}, 21: {4, 3, 1}, 31: {4, 3, 1, 2}, 50: {4, 3, 1, 2, 0},
		1000: {4, 3, 1, 2, 0},
	} {
		var got []uint32
		for _, f := range ChooseVictims(all, need) {
			got = append(got, f.Index)
		}
		if !slices.Equal(got, want) {
			t.Errorf("to free %d: %v, want %v", need, got, want)
		}
	}
}

func TestVictimsAreTheShortestBeginningThatSuffices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []fragstore.Fragment
		for i := range rapid.IntRange(0, 40).Draw(t, "fragments") {
			all = append(all, fragstore.Fragment{
				Key:   key("a", uint32(i)),
				Bytes: rapid.Int64Range(1, 10).Draw(t, "bytes"),
				Value: float64(rapid.IntRange(0, 5).Draw(t, "value")),
			})
		}
		need := rapid.Int64Range(0, 200).Draw(t, "need")
		var want []fragstore.Fragment
		var bytes int64
		for _, f := range slices.SortedFunc(slices.Values(all), order) {
			if bytes >= need {
				break
			}
			want = append(want, f)
			bytes += f.Bytes
		}
		before := slices.Clone(all)
		if got := ChooseVictims(all, need); !slices.Equal(got, want) {
			t.Fatalf("to free %d: %v, want %v", need, got, want)
		}
		if !slices.Equal(all, before) {
			t.Fatal("the fragments that were given have been changed")
		}
	})
}
