package peersource

// The DHT library trusts packets too far: of what anyone may send it in one datagram, a message without arguments, or
// an address of one byte, ends the process; unknown queries and BEP 44 items grow its memory without bound; and what it
// cannot decode it prints. So every packet is read here first, and passed on only if it is a message that BEP 5, 32, 42
// or 43 describe, with each field of the type and length that the library expects.

const (
	// maxPacket is the longest message taken, in bytes. Honest ones fit an Ethernet frame; the margin is for tunnels
	// and jumbo frames.
	maxPacket = 2048
	// maxKRPCDepth: message, arguments, list, string.
	maxKRPCDepth = 4
	// maxToken bounds what a node can make us send back to it, in bytes. Known nodes use 4 to 20.
	maxToken = 64
	maxTag   = 32 // of the transaction ID, which we echo; known nodes use 2 to 8
)

// messageKind is what a packet turned out to be.
type messageKind uint8

const (
	notKRPC messageKind = iota
	krpcQuery
	krpcOther // a query of a kind that the library must not see
	krpcReply // or error
)

// checkKRPC reads one packet, and says what it is.
func checkKRPC(b []byte) messageKind {
	if len(b) > maxPacket {
		return notKRPC
	}
	var kind, query []byte
	var args, badArgs, reply, fault, tag bool
	rest, ok := eachKey(b, maxKRPCDepth, func(key string, value []byte) bool {
		switch key {
		case "t":
			tag = true
			return isString(value, 1, maxTag)
		case "y":
			kind, _, _ = cutString(value)
			return len(kind) == 1
		case "q":
			query, _, _ = cutString(value)
			return query != nil
		case "a":
			args = checkArguments(value)
			badArgs = badArgs || !args
		case "r":
			reply = checkReply(value)
			return reply
		case "e":
			fault = isFault(value)
			return fault
		case "ip": // BEP 42
			return isAddress(value)
		case "ro": // BEP 43
			return isInt(value, 0, 1)
		case "v":
			return isString(value, 0, maxPacket)
		}
		return true
	})
	if !ok || len(rest) != 0 || !tag || len(kind) != 1 {
		return notKRPC
	}
	switch kind[0] {
	case 'q':
		// What is wrong with the arguments of a query that we do not know is nobody's business: it is not passed on.
		switch {
		case args && !badArgs && knownQuery(query):
			return krpcQuery
		case query != nil && !knownQuery(query):
			return krpcOther
		}
	case 'r':
		if reply && !badArgs {
			return krpcReply
		}
	case 'e':
		if fault && !badArgs {
			return krpcReply
		}
	}
	return notKRPC
}

// knownQuery: those of BEP 5. The node stores no items (BEP 44) and gives no samples (BEP 51).
func knownQuery(q []byte) bool {
	switch string(q) {
	case "ping", "find_node", "get_peers", "announce_peer":
		return true
	}
	return false
}

// checkArguments reads the dictionary of a query.
func checkArguments(b []byte) bool {
	id := false
	_, ok := eachKey(b, maxKRPCDepth-1, func(key string, value []byte) bool {
		switch key {
		case "id":
			id = isString(value, 20, 20)
			return id
		case "info_hash", "target":
			return isString(value, 20, 20)
		case "token":
			return isString(value, 0, maxToken)
		case "port":
			return isInt(value, 0, 65535)
		case "implied_port", "noseed", "scrape":
			return isInt(value, 0, 1)
		case "want":
			return eachItem(value, func(item []byte) bool { return isString(item, 2, 2) })
		case "v", "seq", "cas", "k", "salt", "sig": // BEP 44
			return false
		}
		return true
	})
	return ok && id
}

// checkReply reads the dictionary of a response.
func checkReply(b []byte) bool {
	id := false
	_, ok := eachKey(b, maxKRPCDepth-1, func(key string, value []byte) bool {
		switch key {
		case "id":
			id = isString(value, 20, 20)
			return id
		case "nodes":
			s, _, ok := cutString(value)
			return ok && len(s)%26 == 0
		case "nodes6": // BEP 32
			s, _, ok := cutString(value)
			return ok && len(s)%38 == 0
		case "token":
			return isString(value, 0, maxToken)
		case "values":
			return eachItem(value, isAddress)
		case "BFsd", "BFpe", "interval", "num", "samples", "v", "k", "sig", "seq": // BEP 33, 44, 51: never asked for
			return false
		}
		return true
	})
	return ok && id
}

// isFault: a number and a text, as in BEP 5, or a text alone.
func isFault(value []byte) bool {
	n := 0
	ok := eachItem(value, func(item []byte) bool {
		n++
		return n == 1 && isInt(item, 0, 65535) || n == 2 && isString(item, 0, maxPacket) || n > 2
	})
	return ok && n >= 2 || isString(value, 0, maxPacket)
}

// isAddress: a compact IPv4 or IPv6 address with its port.
func isAddress(value []byte) bool { return isString(value, 6, 6) || isString(value, 18, 18) }

func isString(value []byte, shortest, longest int) bool {
	s, _, ok := cutString(value)
	return ok && len(s) >= shortest && len(s) <= longest
}

func isInt(value []byte, lowest, highest int64) bool {
	n, _, ok := cutInt(value)
	return ok && n >= lowest && n <= highest
}
