package disk

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ebb/quota/disk/fragstore"
)

func TestReclaimTakesLowestValueFirst(t *testing.T) {
	now := time.Unix(100000, 0)
	ago := func(hours int) time.Time { return now.Add(-time.Duration(hours) * time.Hour) }
	never := time.Time{}
	all := []fragstore.Fragment{
		{Key: key("a", 6), Bytes: 10, Value: 3, Stored: ago(20), LastServed: ago(10), Served: 1},
		{Key: key("a", 4), Bytes: 10, Value: 1, Stored: ago(20), LastServed: ago(1), Served: 1},
		{Key: key("a", 5), Bytes: 10, Value: 2, Stored: ago(20), LastServed: never},
		{Key: key("a", 9), Bytes: 10, Value: 1, Stored: ago(20), LastServed: ago(5), Served: 1}, // longer ago
		{Key: key("a", 2), Bytes: 10, Value: 1, Stored: ago(20), LastServed: ago(5), Served: 9}, // served more
		{Key: key("a", 3), Bytes: 10, Value: 1, Stored: ago(3), LastServed: never},              // stored later than those were served
		{Key: key("a", 0), Bytes: 10, Value: 1, Stored: ago(6), LastServed: never},              // and earlier
		{Key: key("a", 7), Bytes: 10, Value: math.Inf(1), Stored: ago(90), LastServed: never},
	}
	for need, want := range map[int64]uint32{-1: 0, 0: 0, 1: 1, 10: 1, 11: 2, 21: 3, 31: 4, 41: 5, 51: 6, 61: 7, 71: 8, 80: 8, 1000: 8} {
		var got []uint32
		for _, f := range ChooseVictims(all, need) {
			got = append(got, f.Index)
		}
		if wanted := []uint32{0, 9, 2, 3, 4, 5, 6, 7}[:want]; !slices.Equal(got, wanted) {
			t.Errorf("to free %d: %v, want %v", need, got, wanted)
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
				Value: float64(rapid.IntRange(0, 3).Draw(t, "value")), Served: rapid.Int64Range(0, 2).Draw(t, "served"),
				Stored: time.Unix(rapid.Int64Range(1, 3).Draw(t, "stored"), 0),
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
