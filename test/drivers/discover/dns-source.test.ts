import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createDnsSource, createSrvSource } from '../../../lib/drivers/discover/dns-source.ts';
import { NameServer, skipWithoutDnsmasq } from '../../helpers/drivers/name-server.ts';
import { testSource } from './source-suite.ts';

const dns = (server: NameServer) =>
  createDnsSource({ kind: 'dns', text: 'dns:web.test:80', host: 'web.test', port: 80 }, [server.address]);
const srv = (server: NameServer) =>
  createSrvSource({ kind: 'srv', text: 'srv:_web._tcp.test', name: '_web._tcp.test' }, [server.address]);

testSource({
  title: 'a host name',
  skip: skipWithoutDnsmasq,
  open: async () => {
    const server = await NameServer.open();
    return {
      source: dns(server),
      list: async (numbers) => {
        await server.serve(numbers.map((number) => `host-record=web.test,10.0.0.${number}`));
        return numbers.map((number) => {
          const host = `10.0.0.${number}`;
          return { name: `${host}:80`, endpoint: { host, port: 80 } };
        });
      },
      lose: () => server.kill(),
      restore: () => server.serve(),
      close: () => server.close(),
    };
  },
});

testSource({
  title: 'an SRV record',
  skip: skipWithoutDnsmasq,
  open: async () => {
    const server = await NameServer.open();
    return {
      source: srv(server),
      list: async (numbers) => {
        await server.serve(
          numbers.flatMap((number) => [
            `srv-host=_web._tcp.test,s${number}.test,80${number},1,10`,
            `host-record=s${number}.test,10.0.0.${number}`,
          ]),
        );
        return numbers.map((number) => ({
          name: `s${number}.test:80${number}`,
          endpoint: { host: `10.0.0.${number}`, port: 800 + number },
        }));
      },
      lose: () => server.kill(),
      restore: () => server.serve(),
      close: () => server.close(),
    };
  },
});

describe('servers out of DNS', { skip: skipWithoutDnsmasq ?? false }, () => {
  let server: NameServer;
  beforeEach(async () => {
    server = await NameServer.open();
  });
  afterEach(() => server.close());

  it('are true for as long as the TTL says', async () => {
    await server.serve(['host-record=web.test,10.0.0.1,7']);
    assert.equal((await dns(server).look()).validMs, 7000);
  });

  it('are found by IPv6 addresses too', async () => {
    await server.serve(['host-record=web.test,10.0.0.1,fd00::1']);
    const { servers } = await dns(server).look();
    assert.deepEqual(
      servers.map(({ name }) => name),
      ['10.0.0.1:80', '[fd00::1]:80'],
    );
  });

  it('are unknown where the name server refuses', async () => {
    const source = createDnsSource({ kind: 'dns', text: '', host: 'web.elsewhere', port: 80 }, [
      server.address,
    ]);
    await assert.rejects(source.look(), { message: 'the name server refuses to say (web.elsewhere)' });
  });

  it('are those of the lowest priority of an SRV record', async () => {
    await server.serve([
      'srv-host=_web._tcp.test,a.test,80,1,10',
      'srv-host=_web._tcp.test,b.test,80,2,10',
      'host-record=a.test,10.0.0.1',
      'host-record=b.test,10.0.0.2',
    ]);
    const { servers } = await srv(server).look();
    assert.deepEqual(
      servers.map(({ name }) => name),
      ['a.test:80'],
    );
  });

  it('are not those of an SRV record with port 0', async () => {
    await server.serve([
      'srv-host=_web._tcp.test,a.test,0,1,10',
      'srv-host=_web._tcp.test,b.test,80,1,10',
      'host-record=a.test,10.0.0.1',
      'host-record=b.test,10.0.0.2',
    ]);
    const { servers } = await srv(server).look();
    assert.deepEqual(
      servers.map(({ name }) => name),
      ['b.test:80'],
    );
  });

  it('are found behind aliases, and by a name with a dot at its end', async () => {
    await server.serve([
      'cname=web.test,one.test',
      'cname=one.test,two.test',
      'host-record=two.test,10.0.0.1',
    ]);
    const source = createDnsSource({ kind: 'dns', text: '', host: 'web.test.', port: 80 }, [server.address]);
    assert.deepEqual(
      (await source.look()).servers.map(({ name }) => name),
      ['10.0.0.1:80'],
    );
  });

  it('are none behind an alias that leads nowhere', async () => {
    await server.serve(['cname=web.test,gone.test']);
    assert.deepEqual((await dns(server).look()).servers, []);
  });

  it('are all found where they are too many for a datagram', async () => {
    const hosts = Array.from({ length: 1000 }, (_, index) => `10.1.${index >> 8}.${index & 255}`);
    await server.serve(hosts.map((host) => `host-record=web.test,${host}`));
    const { servers } = await dns(server).look();
    assert.equal(new Set(servers.map(({ endpoint }) => endpoint.host)).size, 1000);
  });

  it('keep their names when an SRV target changes its address', async () => {
    const record = 'srv-host=_web._tcp.test,a.test,80,1,10';
    const source = srv(server);
    await server.serve([record, 'host-record=a.test,10.0.0.1']);
    const before = (await source.look()).servers;
    await server.serve([record, 'host-record=a.test,10.0.0.2']);
    const after = (await source.look()).servers;
    assert.deepEqual([before[0]?.name, before[0]?.endpoint.host], ['a.test:80', '10.0.0.1']);
    assert.deepEqual([after[0]?.name, after[0]?.endpoint.host], ['a.test:80', '10.0.0.2']);
  });

  it('stay at the address of a target that has gained another', async () => {
    const record = 'srv-host=_web._tcp.test,a.test,80,1,10';
    const source = srv(server);
    await server.serve([record, 'host-record=a.test,10.0.0.5']);
    await source.look();
    await server.serve([record, 'host-record=a.test,10.0.0.1', 'host-record=a.test,10.0.0.5']);
    assert.equal((await source.look()).servers[0]?.endpoint.host, '10.0.0.5');
  });

  it('are none where an SRV target has no address', async () => {
    await server.serve(['srv-host=_web._tcp.test,a.test,80,1,10']);
    assert.deepEqual((await srv(server).look()).servers, []);
  });

  it('are none where an SRV record says there is no service', async () => {
    await server.serve(['srv-host=_web._tcp.test']);
    assert.deepEqual((await srv(server).look()).servers, []);
  });
});
