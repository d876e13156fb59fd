// Package discovery finds candidates: swarms that ebb knows of and has not joined.
//
//	a Source, such as rendezvous ─┐
//	                              ├─▶ Offer ─▶ table ─▶ proof ─▶ consent ─▶ Ready ─▶ the background engine
//	Lists, on any connection ─────┘     │        │        │         │
//	                       told: heard ─┘        │        │         └─ Policy, vetoes, the owner's yes
//	                a share for each introducer ─┘        └─ by the introducer's kind; told: verified
//
// The parts:
//
//   - A [Source] hears of swarms, and offers them. Each has a package of its own below this one; [Prover] runs them.
//   - List passing is ebb_list, an extension (BEP 10) in which an agent tells another which swarms it is in. [Parse] and
//     [Message.Marshal] are its codec; [Lists] decides whom to ask, what to answer and what to believe. The connections
//     are those of others: rendezvous, and the background engine.
//   - [Candidates] is the bounded table of what was heard, from whom, and how far it has come. What one introducer says of
//     one swarm is a claim; every introducer pays for its claims out of its share of the table.
//   - [Prover] puts claims to the test, a few at a time, each by the [Proof] of its introducer's kind. That of peers is
//     [Handshake]: the introducer has to shake hands with us in the swarm that it named.
//   - [Decide] applies the owner's consent, both to what is worth testing and to what may be joined.
//
// What comes from others is hearsay: checked to be possible and harmless when it comes in, and never acted on before it
// is proven. Private torrents (BEP 27) take no part in anything here.
//
// The package leaves to others: joining the candidates that are ready (agent/background); the wire (agent/peerwire);
// and saying which swarms we list.
package discovery
