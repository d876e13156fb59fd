[ebb_peers]
title="ebb: peers"
desc="Where other peers of swarms reach ebb"
port_forward="yes"
dst.ports="51515/tcp,udp"

[ebb_page]
title="ebb: page"
desc="ebb's page for your own network"
port_forward="no"
dst.ports="8088/tcp"
