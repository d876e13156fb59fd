package prefs_test

import (
	"fmt"
	"math"

	"pgregory.net/rapid"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// The generators make every kind of valid preference, exact and odd sizes alike.

func sizes() *rapid.Generator[prefs.Size] {
	return rapid.Custom(func(t *rapid.T) prefs.Size {
		unit := rapid.SampledFrom([]int64{1, 1000, 1024, 1e6, 1 << 20, 1e9, 1 << 30, 1e12, 1 << 40, 1e18, 1 << 60}).Draw(t, "unit")
		return prefs.Size(rapid.Int64Range(0, math.MaxInt64/unit).Draw(t, "count") * unit)
	})
}

func storages() *rapid.Generator[prefs.Storage] {
	return rapid.OneOf(
		rapid.Just(prefs.Storage{}),
		rapid.Map(sizes(), func(s prefs.Size) prefs.Storage { return prefs.StorageOf(int64(s)) }),
		parsed[prefs.Storage](rapid.Map(rapid.IntRange(0, 10000), func(n int) string { return fmt.Sprintf("%d.%02d%%", n/100, n%100) })),
	)
}

func rates() *rapid.Generator[prefs.Rate] {
	return rapid.OneOf(rapid.Just(prefs.AutoRate()), rapid.Just(prefs.Rate{}), foregroundRates())
}

// foregroundRates makes no auto and no off: what the foreground takes.
func foregroundRates() *rapid.Generator[prefs.Rate] {
	return rapid.OneOf(rapid.Just(prefs.UnlimitedRate()), fixedRates())
}

func fixedRates() *rapid.Generator[prefs.Rate] {
	return rapid.OneOf(
		rapid.Map(rapid.Int64Range(1, 1<<50), prefs.FixedRate),
		parsed[prefs.Rate](rapid.Map(rapid.Int64Range(8, 1<<53), func(n int64) string { return fmt.Sprintf("%dbit/s", n) })),
		parsed[prefs.Rate](rapid.Map(rapid.IntRange(1, 9999), func(n int) string { return fmt.Sprintf("%dMbit/s", n) })),
	)
}

func lineRates() *rapid.Generator[prefs.Rate] {
	return rapid.OneOf(rapid.Just(prefs.AutoRate()), fixedRates())
}

func limits() *rapid.Generator[prefs.Limit] {
	return rapid.OneOf(rapid.Just(prefs.Limit{}), rapid.Map(sizes(), func(s prefs.Size) prefs.Limit { return prefs.LimitTo(max(1, int64(s))) }))
}

func windows() *rapid.Generator[prefs.Hours] {
	return rapid.Custom(func(t *rapid.T) prefs.Hours {
		from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
		to := rapid.IntRange(0, 24*60).Filter(func(to int) bool { return to != from }).Draw(t, "to")
		return mustParse[prefs.Hours](fmt.Sprintf("%02d:%02d-%02d:%02d", from/60, from%60, to/60, to%60))
	})
}

func directories() *rapid.Generator[string] {
	// Everything that a path may hold and a quoted text finds hard; control characters are not valid.
	return rapid.Map(rapid.StringOf(rapid.RuneFrom([]rune{'a', '"', '\\', '#', '\'', ' ', '/', '=', ']', 'ü', '☃', '\u2028', '𝄞'})),
		func(s string) string { return "/" + s })
}

func preferences() *rapid.Generator[prefs.Preferences] {
	mode := rapid.SampledFrom([]prefs.Mode{prefs.ModeOff, prefs.ModeAsk, prefs.ModeAuto})
	hosts := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?(\.[a-z]{1,5})`)
	address := rapid.OneOf(
		rapid.SampledFrom([]string{":51515", "127.0.0.1:0", "[::1]:8088", "[fe80::1%eth0]:65535", "localhost:80"}),
		rapid.Map(hosts, func(h string) string { return h + ":1" }))
	return rapid.Custom(func(t *rapid.T) prefs.Preferences {
		daily, limited := limits().Draw(t, "write budget").Bytes()
		p := prefs.Preferences{
			Background: prefs.Background{
				Storage:         storages().Draw(t, "storage"),
				Upload:          rates().Draw(t, "upload"),
				Download:        rates().Draw(t, "download"),
				KeepFree:        sizes().Draw(t, "keep free"),
				Hours:           rapid.SliceOf(windows()).Draw(t, "hours"),
				MonthlyTransfer: limits().Draw(t, "monthly transfer"),
				DiskSleep:       rapid.SampledFrom([]prefs.DiskSleep{prefs.DiskSleepRespect, prefs.DiskSleepIgnore}).Draw(t, "disk sleep"),
				Goal:            rapid.SampledFrom([]swarm.Goal{swarm.GoalPreserve, swarm.GoalAccelerate, swarm.GoalBalanced}).Draw(t, "goal"),
			},
			Foreground: prefs.Foreground{
				Directory: rapid.OneOf(rapid.Just(""), directories()).Draw(t, "directory"),
				Upload:    foregroundRates().Draw(t, "foreground upload"),
				Download:  foregroundRates().Draw(t, "foreground download"),
			},
			Sources: prefs.Sources{
				Peers:        mode.Draw(t, "peers"),
				Neighbours:   mode.Draw(t, "neighbours"),
				Feeds:        mode.Draw(t, "feeds"),
				MaxSwarmSize: limits().Draw(t, "largest"),
				Deny: rapid.SliceOf(rapid.Map(rapid.SliceOfN(rapid.Byte(), 20, 20),
					func(b []byte) swarm.InfoHash { return swarm.InfoHash(b) })).Draw(t, "deny"),
			},
			Feeds: rapid.SliceOf(rapid.Custom(func(t *rapid.T) prefs.Feed {
				return prefs.Feed{
					URL: "https://" + hosts.Draw(t, "host") + "/?a=1&b=%20#<\"'>", Name: rapid.StringMatching(`[ -~]{0,20}`).Draw(t, "name"),
					Policy:  rapid.SampledFrom([]prefs.Mode{"", prefs.ModeOff, prefs.ModeAsk, prefs.ModeAuto}).Draw(t, "policy"),
					MaxSize: limits().Draw(t, "size"),
				}
			})).Draw(t, "feeds"),
			Sharing: prefs.Sharing{ListBackground: rapid.Bool().Draw(t, "list bg"), ListForeground: rapid.Bool().Draw(t, "list fg")},
			Network: prefs.Network{
				PeerAddress:          address.Draw(t, "peer address"),
				WANInterface:         rapid.SampledFrom([]string{"auto", "eth0", "br-lan.7", "pppoe-wan"}).Draw(t, "wan"),
				LineUp:               lineRates().Draw(t, "line up"),
				LineDown:             lineRates().Draw(t, "line down"),
				DHT:                  rapid.Bool().Draw(t, "dht"),
				DHTBootstrap:         rapid.SliceOf(rapid.Map(hosts, func(h string) string { return h + ":6881" })).Draw(t, "bootstrap"),
				AllowPrivateTrackers: rapid.Bool().Draw(t, "private trackers"),
			},
			Web:   prefs.Web{Address: address.Draw(t, "web address"), AllowedHosts: rapid.SliceOf(hosts).Draw(t, "hosts"), AllowPublic: rapid.Bool().Draw(t, "public")},
			State: prefs.State{Directory: directories().Draw(t, "state")},
		}
		if limited {
			p.Background.WriteBudget = prefs.LimitPerDay(daily)
		}
		return p
	})
}

func parsed[T any, P textReader[T]](texts *rapid.Generator[string]) *rapid.Generator[T] {
	return rapid.Map(texts, mustParse[T, P])
}

type textReader[T any] interface {
	*T
	UnmarshalText([]byte) error
}

// mustParse is for texts that the generators know to be right; a wrong one shows as the zero value, which fails tests.
func mustParse[T any, P textReader[T]](text string) T {
	var value T
	if err := P(&value).UnmarshalText([]byte(text)); err != nil {
		return *new(T)
	}
	return value
}
