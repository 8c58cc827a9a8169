import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressIn, type FindAddress, takePassedSockets } from '../../lib/compose/ports/passed-sockets.ts';
import { parseTable } from '../../lib/platform/tcp-sockets.ts';

const PID = 4711;
const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

describe('sockets that systemd passes', () => {
  const listening =
    (...ports: readonly (number | undefined)[]): FindAddress =>
    (fd) => {
      const port = ports[fd - 3];
      return port === undefined ? undefined : { host: '', port };
    };
  const take = (
    variables: Readonly<Record<string, string>>,
    find: FindAddress = listening(80, 80, 5001),
    environment: Record<string, string | undefined> = { LISTEN_PID: String(PID), ...variables },
  ) => takePassedSockets(environment, PID, find);

  it('are none without the variables', () => {
    assert.equal(takePassedSockets({ PATH: '/bin' }, PID, listening(80)), undefined);
  });

  it('go by their names', () => {
    const sockets = take({ LISTEN_FDS: '3', LISTEN_FDNAMES: 'port:port:admin-port' });
    assert.deepEqual(sockets, {
      port: [
        { fd: 3, host: '', port: 80 },
        { fd: 4, host: '', port: 80 },
      ],
      'tls-port': [],
      'admin-port': [{ fd: 5, host: '', port: 5001 }],
    });
  });

  it('are the public port where they have no names', () => {
    assert.deepEqual(take({ LISTEN_FDS: '1' })?.port, [{ fd: 3, host: '', port: 80 }]);
    assert.deepEqual(take({ LISTEN_FDS: '1', LISTEN_FDNAMES: 'unknown' })?.port.length, 1);
  });

  it('leave no variable behind for children', () => {
    const environment = { LISTEN_PID: String(PID), LISTEN_FDS: '1', LISTEN_FDNAMES: 'port', PATH: '/bin' };
    take({}, listening(80), environment);
    assert.deepEqual(environment, { PATH: '/bin' });
  });

  for (const [what, variables, find, message] of [
    [
      'of another process',
      { LISTEN_PID: '1', LISTEN_FDS: '1' },
      listening(80),
      /process 1, but this one is 4711/,
    ],
    ['of no process', { LISTEN_PID: '', LISTEN_FDS: '1' }, listening(80), /ExecStart/],
    ['in a number that is none', { LISTEN_FDS: 'x' }, listening(80), /must be a number of sockets, not x/],
    [
      'with a name that is not known',
      { LISTEN_FDS: '1', LISTEN_FDNAMES: 'web.socket' },
      listening(80),
      /named web\.socket: FileDescriptorName= must be port/,
    ],
    [
      'that do not listen',
      { LISTEN_FDS: '2' },
      listening(80),
      /descriptor 4 \(port\) is no TCP socket that listens/,
    ],
    [
      'with two ports',
      { LISTEN_FDS: '2' },
      listening(80, 81),
      /named port must have one port, not 80 and 81/,
    ],
    [
      'with two for the admin port',
      { LISTEN_FDS: '2', LISTEN_FDNAMES: 'admin-port:admin-port' },
      listening(80, 80),
      /one socket named admin-port/,
    ],
  ] as const)
    it(`are refused ${what}`, () => {
      assert.throws(() => take(variables, find), { code: 'bad-request', message });
    });

  for (const [what, local, address] of [
    ['all of IPv4', '00000000:1388', { host: '', port: 5000 }],
    ['loopback', '0100007F:0050', { host: '127.0.0.1', port: 80 }],
    ['all of IPv6', '00000000000000000000000000000000:1388', { host: '', port: 5000 }],
    ['loopback of IPv6', '00000000000000000000000001000000:1388', { host: '0:0:0:0:0:0:0:1', port: 5000 }],
    [
      'an address of IPv4 in IPv6',
      '0000000000000000FFFF00000100007F:1388',
      { host: '127.0.0.1', port: 5000 },
    ],
  ] as const)
    it(`are found in the kernel's table on ${what}`, () => {
      const line = (state: string, inode: number): string =>
        `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0`;
      const sockets = parseTable([HEAD, line('01', 7), line('0A', 42), ''].join('\n'));
      assert.deepEqual(addressIn(sockets, '42'), address);
      assert.equal(addressIn(sockets, '7'), undefined, 'a connection');
      assert.equal(addressIn(sockets, '1'), undefined, 'another');
    });
});
