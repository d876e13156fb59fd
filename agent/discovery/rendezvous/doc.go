// Package rendezvous finds other agents in the owner's own swarms. Every agent announces itself under [Key], an
// info-hash derived from the swarm's, and dials who answers there, under the swarm's true info-hash; then the two
// exchange lists.
//
//	SetForeground ─▶ announced under Key ─▶ found ─▶ queue ─▶ meet ─┐
//	                                     who dials us: HandleConn ──┴▶ exchange ─▶ discovery.Lists ─▶ the table
//
// Private torrents (BEP 27), and those that may yet turn out to be private, have no rendezvous.
package rendezvous
