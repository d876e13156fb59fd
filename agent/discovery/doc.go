// Package discovery finds candidates: swarms that ebb knows of and has not
// joined. It does so by asking the peers of the swarms that ebb is in.
//
//   - List passing is ebb_list, an extension (BEP 10) in which an agent tells
//     another which swarms it is in. [Parse] and [Message.Marshal] are its
//     codec; [Lists] decides whom to ask, what to answer and what to believe.
//   - [Rendezvous] finds other agents in the owner's own swarms: every agent
//     announces itself under [Key], an info-hash derived from the swarm's, and
//     dials who answers there, under the swarm's true info-hash. It then
//     verifies what was listed: the introducer has to shake hands with us in
//     the swarm that it named.
//   - [Candidates] is the bounded table of what was heard, from whom, and how
//     far it has come. [Decide] applies the owner's consent to it.
//
// What comes from others is hearsay: checked to be possible and harmless when
// it comes in, and never acted on before it is verified. Private torrents
// (BEP 27) take no part in anything here.
//
// The package leaves to others: joining the candidates that are ready, and
// list passing on the connections of background swarms (agent/background,
// through [Rendezvous.Ask] and [Rendezvous.Handle]); the wire (agent/peerwire);
// announcing (agent/peersource); and saying which swarms we list.
package discovery
