import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { load, problemsOf } from '../../helpers/options.ts';

const discover = '--driver discover --source';

describe('the text of --source', () => {
  it('is a list of sources of any kind', () => {
    const texts = [
      'docker:ringlb.join=web',
      'docker:ringlb.join',
      'dns:web.example:5000',
      'srv:_http._tcp.web.example.',
      'file:/etc/servers',
    ];
    assert.deepEqual(load(`${discover} ${texts.join()}`).source, [
      { kind: 'docker', text: texts[0], label: 'ringlb.join=web' },
      { kind: 'docker', text: texts[1], label: 'ringlb.join' },
      { kind: 'dns', text: texts[2], host: 'web.example', port: 5000 },
      { kind: 'srv', text: texts[3], name: '_http._tcp.web.example.' },
      { kind: 'file', text: texts[4], path: '/etc/servers' },
    ]);
  });

  for (const [text, problem] of [
    ['docker:', 'needs a label, as in docker:ringlb.join=web'],
    ['dns:web', 'needs a host name and a port, as in dns:web.example:5000'],
    ['dns:web:0', 'needs a host name and a port, as in dns:web.example:5000'],
    ['dns:web:65536', 'needs a host name and a port, as in dns:web.example:5000'],
    ['dns:10.0.0.1:80', 'needs a host name and a port, as in dns:web.example:5000'],
    [`dns:${'a.'.repeat(127)}a:80`, 'needs a host name and a port, as in dns:web.example:5000'],
    ['srv:', 'needs the name of an SRV record, as in srv:_http._tcp.web.example'],
    ['file:', 'needs a path, as in file:/etc/ringlb/servers'],
    [
      'consul:http://127.0.0.1:8500/web',
      'cannot be asked over HTTP: Consul speaks DNS too, as in srv:web.service.consul with --resolver',
    ],
    ['toString:a', 'begins with none of docker:, dns:, srv: and file:'],
    ['web.example:80', 'begins with none of docker:, dns:, srv: and file:'],
  ] as const)
    it(`is refused where it is ${text.slice(0, 40)}`, () => {
      const [found = ''] = problemsOf(`${discover} ${text}`);
      assert.match(found, /^--source must be sources, and "/);
      assert.ok(found.includes(problem), found);
    });

  it('names no source twice', () => {
    const [problem] = problemsOf(`${discover} dns:a:1,dns:a:1`);
    assert.match(problem ?? '', /^--source must not name "dns:a:1" twice/);
  });
});

describe('the text of --resolver', () => {
  it('is a list of addresses, with ports if any', () => {
    const { resolver } = load(`${discover} dns:a:1 --resolver 10.0.0.2,127.0.0.1:8600,::1,[::1]:53`);
    assert.deepEqual(resolver, ['10.0.0.2', '127.0.0.1:8600', '::1', '[::1]:53']);
  });

  for (const text of ['dns.example', '10.0.0.2:', '10.0.0.2:0', '[10.0.0.2]:53', '10.0.0.2,'])
    it(`is refused where it is ${text}`, () => {
      const [problem] = problemsOf(`${discover} dns:a:1 --resolver ${text}`);
      assert.match(problem ?? '', /^--resolver must be addresses of name servers/);
    });
});

describe('the text of --engines', () => {
  it('is a list of sockets and addresses', () => {
    const { engines } = load('--driver swarm --engines unix:///a.sock,tcp://10.0.0.1:2375');
    assert.deepEqual(engines, ['unix:///a.sock', 'tcp://10.0.0.1:2375']);
  });

  for (const text of ['/a.sock', 'unix://a', 'http://a:1', 'tcp://', 'tcp://a:1/b'])
    it(`is refused where it is ${text}`, () => {
      const [problem] = problemsOf(`--driver swarm --engines ${text}`);
      assert.match(problem ?? '', /^--engines must be addresses of engines, such as unix:/);
    });
});

describe('the text of --constraints', () => {
  it('is a list of constraints', () => {
    const { constraints } = load('--driver swarm --constraints node.labels.zone==a,node.role!=manager');
    assert.deepEqual(constraints, ['node.labels.zone==a', 'node.role!=manager']);
  });

  it('is refused where it compares nothing', () => {
    const [problem] = problemsOf('--driver swarm --constraints node.role=manager');
    assert.match(problem ?? '', /^--constraints must be constraints such as node.labels.zone==a/);
  });
});
