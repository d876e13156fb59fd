// Package webui is what the owner sees of a running agent: the HTTP API under /api/v1, the page at /, and the RPC that
// programs for Transmission speak.
//
// It checks who is asking (token or session, Host and Origin headers), bounds and parses what they send, and turns the
// answers of an [Agent] into JSON, a stream of events and a page. It decides nothing about swarms, disk or bandwidth:
// package agent implements [Agent] and does all that.
//
// Everything shown comes, in the end, from strangers: names of torrents, names of programs, addresses. The API passes
// them on as JSON strings, and the page only ever sets them as text.
package webui
