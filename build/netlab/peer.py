"""A BitTorrent client on libtorrent, as its defaults are, for one torrent.

Its only argument is JSON: torrent (path), dir (where the data is or goes), listen ("address:port"), utp, tcp (booleans:
which transports it may use), seed (boolean: the data is in dir; else it downloads, and starts over when it has all), dial
(null or [address, port]: whom it downloads from).

It says "ready" when it listens, and "again" each time it starts over.
"""
import json
import signal
import sys
import time

import libtorrent as lt

args = json.loads(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

session = lt.session({
    "listen_interfaces": args["listen"],
    # Nothing is looked for outside of the network that the test has made.
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_incoming_utp": args["utp"], "enable_outgoing_utp": args["utp"],
    "enable_incoming_tcp": args["tcp"], "enable_outgoing_tcp": args["tcp"],
    # Seconds: the other side may not be there yet, or may have lost its line.
    "min_reconnect_time": 1, "peer_connect_timeout": 5,
    "max_failcount": 1000,
    "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.storage_notification,
})


def add():
    p = lt.add_torrent_params()
    p.ti = lt.torrent_info(args["torrent"])
    p.save_path = args["dir"]
    p.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    p.flags |= lt.torrent_flags.disable_pex
    if args["seed"]:
        p.flags |= lt.torrent_flags.seed_mode
    return session.add_torrent(p)


torrent = add()
print("ready", flush=True)
while True:
    for alert in session.pop_alerts():
        print(alert, file=sys.stderr, flush=True)
    if not args["seed"]:
        status = torrent.status()
        if status.is_seeding:
            session.remove_torrent(torrent, lt.session.delete_files)
            # The files must be gone before the same ones are made again.
            gone = False
            for _ in range(100):
                session.wait_for_alert(100)
                gone = gone or any(isinstance(a, (lt.torrent_deleted_alert, lt.torrent_delete_failed_alert)) for a in session.pop_alerts())
                if gone:
                    break
            torrent = add()
            print("again", flush=True)
        elif status.num_peers == 0:
            torrent.connect_peer(tuple(args["dial"]))
    time.sleep(0.5)
