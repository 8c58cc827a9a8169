import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { LogPrinter } from '../../../lib/fleet/logs/log-printer.ts';
import { ReplicaLogs } from '../../../lib/fleet/logs/replica-logs.ts';
import type { LogFields } from '../../../lib/platform/log.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { silentLogger } from '../../helpers/silent-logger.ts';

const BATCH_MS = 100;

describe('what replicas print in the log of the balancer', () => {
  let clock: FakeClock;
  let logs: ReplicaLogs;
  let printed: string[];
  let fields: LogFields[];
  beforeEach(() => {
    clock = new FakeClock();
    logs = new ReplicaLogs(clock);
    [printed, fields] = [[], []];
  });

  function printer(isTerminal: boolean): LogPrinter {
    const component = () => ({
      ...silentLogger,
      info(given: LogFields, message: string) {
        fields.push(given);
        printed.push(message);
      },
    });
    const print = (line: string) => {
      // the prefix may have a colour
      const [prefix = '', text = ''] = line.split(' | ');
      printed.push(`${stripVTControlCharacters(prefix)} | ${text.replace('\u001b[39m', '')}`);
    };
    return new LogPrinter({ logs, log: { component, print, isTerminal } });
  }

  function say(text: string, replica = 'S1'): void {
    logs.open(replica, `${replica}-1`).write('stderr', Buffer.from(text));
    clock.advance(BATCH_MS);
  }

  it('is a line of JSON with replica, instance and stream', () => {
    printer(false).setOn(true);
    say('ready\n');
    assert.deepEqual(printed, ['ready']);
    assert.deepEqual(fields, [{ replica: 'S1', instance: 'S1-1', stream: 'stderr' }]);
  });

  it("stands behind the replica's name on terminals, and cannot control them", () => {
    printer(true).setOn(true);
    say('a\u001b[2J\tb\u0007\n');
    assert.deepEqual(printed, ['S1 | a    b\ufffd']);
  });

  it('begins and ends while the balancer runs', () => {
    const one = printer(false);
    say('before\n');
    one.setOn(true);
    one.setOn(true);
    say('one\n');
    one.setOn(false);
    say('after\n');
    assert.deepEqual(printed, ['one']);
  });

  it('says how many lines came too fast', () => {
    printer(false).setOn(true);
    say('x\n'.repeat(2000));
    assert.equal(fields[0]?.missed, 1500);
  });

  it('has the last words of a replica at the shutdown', () => {
    printer(false).setOn(true);
    logs.open('S1', 'a').write('stdout', Buffer.from('bye\n'));
    logs.close();
    assert.deepEqual(printed, ['bye']);
  });
});
