'use strict';
'require view';
'require fs';
'require poll';
'require uci';

/* What ebb does just now, and why. Everything else is on ebb's own page. */

var STATES = {
	setup: _('waits for you to set something aside'),
	sharing: _('shares'),
	yielding: _('gives way'),
	paused: _('pauses'),
	off: _('is off')
};

function amount(bytes) {
	return '%1024.1mB'.format(bytes);
}

function row(name, value) {
	return E('tr', { 'class': 'tr' }, [
		E('td', { 'class': 'td left', 'width': '33%' }, [ name ]),
		E('td', { 'class': 'td left' }, [ value ])
	]);
}

function table(rows) {
	return E('table', { 'class': 'table' }, rows);
}

/* ebb's status, or why there is none. */
function status() {
	return L.resolveDefault(fs.exec('/usr/bin/ebb', [ 'status', '-json' ]), null).then(function(answer) {
		if (answer && answer.code === 0) {
			try {
				return { now: JSON.parse(answer.stdout) };
			} catch (e) {}
		}
		if (!uci.get('ebb', 'state', 'directory'))
			return { problem: _('ebb has no disk yet, and does not use the router\'s own flash. Name a directory on a disk: uci set ebb.state.directory=\'/mnt/sda1/ebb\'; uci commit ebb; /etc/init.d/ebb start') };
		return { problem: _('ebb does not run; logread -e ebb says why.') };
	});
}

/* Where ebb's own page is, seen from this browser; null if only the router itself may open it. */
function page() {
	var address = uci.get('ebb', 'web', 'address') || '127.0.0.1:8088',
	    at = address.lastIndexOf(':'), host = address.substring(0, at), port = address.substring(at + 1);
	if (host === '127.0.0.1' || host === 'localhost' || host === '[::1]')
		return null;
	if (host === '' || host === '0.0.0.0' || host === '[::]')
		host = window.location.hostname;
	return 'http://' + host + ':' + port + '/';
}

function show(answer) {
	if (answer.problem)
		return E('p', { 'class': 'alert-message warning' }, [ answer.problem ]);
	var s = answer.now, b = s.background, f = s.foreground, link = page();
	return E('div', {}, [
		table([
			row(_('ebb'), STATES[s.state] || s.state),
			row(_('Why'), s.why),
			row(_('Background'), _('up %s/s, down %s/s').format(amount(b.upload_rate), amount(b.download_rate))),
			row(_('Given and taken'), _('%s given, %s taken').format(amount(b.uploaded), amount(b.downloaded))),
			row(_('Held'), _('%d fragments of %d swarms, %s of %s').format(b.fragments, b.swarms, amount(b.storage_used), amount(b.storage_limit))),
			row(_('Your downloads'), _('%d, of which %d are active; up %s/s, down %s/s').format(f.torrents, f.active, amount(f.upload_rate), amount(f.download_rate))),
			row(_('Disk'), _('%s free of %s').format(amount(s.disk.free), amount(s.disk.total))),
			row(_('Version'), s.version)
		]),
		link ? E('p', {}, [ E('a', { 'href': link, 'target': '_blank', 'rel': 'noreferrer' }, [ _('Open ebb\'s own page') ]) ])
		     : E('p', {}, [ _('Only the router itself may open ebb\'s page. To let your network in: uci set ebb.web.address=\':8088\'; uci commit ebb; /etc/init.d/ebb reload') ])
	]);
}

return view.extend({
	load: function() {
		return uci.load('ebb').then(status);
	},

	render: function(answer) {
		var place = E('div', {}, [ show(answer) ]);
		poll.add(function() {
			return status().then(function(next) {
				place.replaceChildren(show(next));
			});
		}, 5);
		return E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, [ _('ebb') ]),
			E('div', { 'class': 'cbi-map-descr' }, [ _('Lends spare disk and bandwidth to torrent swarms that need help, and gives both back at once.') ]),
			place
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
