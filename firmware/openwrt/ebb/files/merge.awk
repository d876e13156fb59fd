# awk -f merge.awk BEFORE NOW ebb.toml: prints ebb.toml with what differs between BEFORE and NOW, which are what UCI said
# and says: lines of a section, a key, and a value as in TOML. All else, such as what the page has changed, stays.
function value(line) {
	sub(/^[^ ]+ [^ ]+ /, "", line)
	return line
}
function add(section,    i) {
	for (i = 1; i <= count; i++)
		if (where[i] == section && changed[section "." key[i]])
			print key[i] " = " what[i]
	done[section] = 1
}
# compare finds out what has changed, once both are read.
function compare(    k) {
	compared = 1
	for (k in before) if (before[k] != now[k]) changed[k] = 1
	for (k in now) if (before[k] != now[k]) changed[k] = 1
}

FILENAME == ARGV[1] { before[$1 "." $2] = before[$1 "." $2] "\n" value($0); next }
FILENAME == ARGV[2] {
	now[$1 "." $2] = now[$1 "." $2] "\n" value($0)
	count++; where[count] = $1; key[count] = $2; what[count] = value($0)
	next
}
!compared { compare() }

/^\[\[/ { section = "feed"; if (changed["feed.url"]) next }
/^\[[^\[]/ {
	section = $0
	gsub(/[][ \t\r]/, "", section)
	print
	add(section)
	next
}
inside { if (/^[ \t]*\]/) inside = 0; next }
/^[ \t]*[a-z_]+[ \t]*=/ {
	name = $0
	sub(/[ \t]*=.*/, "", name)
	sub(/^[ \t]*/, "", name)
	if (changed[section "." name]) {
		if (/=[ \t]*\[[^]]*$/) inside = 1
		next
	}
}
{ print }

END {
	if (!compared) compare()
	for (i = 1; i <= count; i++) {
		if (where[i] == "feed" && changed["feed.url"])
			print "\n[[feed]]\n" key[i] " = " what[i]
		else if (where[i] != "feed" && !done[where[i]]) {
			print "\n[" where[i] "]"
			add(where[i])
		}
	}
}
