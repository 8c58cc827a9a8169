import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { BalancerError } from '../../../lib/platform/errors.ts';
import type { Logger } from '../../../lib/platform/log.ts';
import { PREVIEW, REPLICA, RING, type Running, runAdmin, SCALE } from '../../helpers/admin/admin.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';

const THREE = '{"message":{"N":3,"replicas":["S1","S2","S3"]},"status":"successful"}';
const failure = (message: string) => JSON.stringify({ message: `<Error> ${message}`, status: 'failure' });

describe('the admin endpoints', () => {
  let admin: Running;
  const logged: string[] = [];
  const log: Logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (fields) => logged.push(String(fields.cause)),
    component: () => log,
  };

  before(async () => {
    admin = await runAdmin({ log });
  });
  after(() => admin.stop());
  beforeEach(() => {
    admin.fleet.asked.length = 0;
    admin.fleet.change = async () => ['S1', 'S2', 'S3'];
    admin.fleet.state = { ready: true, draining: false, reason: '3 of 3 replicas are eligible' };
  });

  it('answer GET /rep with the replicas, byte for byte', async () => {
    const { status, headers, body } = await admin.ask('GET', '/rep');
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['content-length'], String(THREE.length));
    assert.equal(body, THREE);
  });

  it('answer HEAD /rep with the head of GET /rep', async () => {
    const { status, headers } = await admin.ask('HEAD', '/rep');
    assert.equal(status, 200);
    assert.equal(headers['content-length'], String(THREE.length));
  });

  it('do not mind a query or an absolute target', async () => {
    assert.equal((await admin.ask('GET', '/rep?x=/y')).body, THREE);
    assert.equal((await admin.ask('GET', 'http://admin/rep')).body, THREE);
  });

  for (const [method, path, asked] of [
    ['POST', '/add', 'add 2 S5,web_a'],
    ['DELETE', '/rm', 'remove 2 S5,web_a'],
    ['POST', '/rm', 'remove 2 S5,web_a'],
  ] as const) {
    it(`hand ${method} ${path} to the fleet and answer with its names`, async () => {
      admin.fleet.change = async () => ['S1', 'S5', 'web_a'];
      const { status, body } = await admin.ask(method, path, { body: '{"n":2,"hostnames":["S5","web_a"]}' });
      assert.equal(status, 200);
      assert.equal(body, '{"message":{"N":3,"replicas":["S1","S5","web_a"]},"status":"successful"}');
      assert.deepEqual(admin.fleet.asked, [asked]);
    });
  }

  for (const [method, path, asked] of [
    ['POST', '/add?dry-run', 'preview add 2 S5'],
    ['POST', '/add?dry-run=true', 'preview add 2 S5'],
    ['DELETE', '/rm?dry-run=1', 'preview remove 2 S5'],
    ['POST', '/rm?dry-run', 'preview remove 2 S5'],
  ] as const) {
    it(`answer ${method} ${path} with what it would do, and do nothing`, async () => {
      const { status, body } = await admin.ask(method, path, { body: '{"n":2,"hostnames":["S5"]}' });
      assert.equal(status, 200);
      assert.deepEqual(JSON.parse(body), { message: PREVIEW, status: 'successful' });
      assert.deepEqual(admin.fleet.asked, [asked]);
    });
  }

  it('hand PUT /scale to the fleet and answer with its names', async () => {
    const { status, body } = await admin.ask('PUT', '/scale', { body: '{"n":3}' });
    assert.deepEqual([status, body], [200, THREE]);
    assert.deepEqual(admin.fleet.asked, ['scale 3']);
  });

  it('answer PUT /scale?dry-run with what it would do, and do nothing', async () => {
    const { body } = await admin.ask('PUT', '/scale?dry-run', { body: '{"n":4}' });
    assert.deepEqual(JSON.parse(body), { message: PREVIEW, status: 'successful' });
    assert.deepEqual(admin.fleet.asked, ['preview scale 4']);
  });

  it('show how the size comes about on GET /scale', async () => {
    const { status, body } = await admin.ask('GET', '/scale');
    assert.deepEqual([status, JSON.parse(body)], [200, { message: SCALE, status: 'successful' }]);
  });

  it('pass settings of autoscaling on, and previews of them', async () => {
    await admin.ask('PUT', '/scale', { body: '{"max":9}' });
    await admin.ask('PUT', '/scale?dry-run', { body: '{"paused":true}' });
    assert.deepEqual(admin.fleet.asked, ['settings {"max":9}', 'preview settings {"paused":true}']);
  });

  it('pass on that a size is forced', async () => {
    await admin.ask('PUT', '/scale', { body: '{"n":3,"force":true}' });
    await admin.ask('POST', '/add', { body: '{"n":1,"force":true}' });
    await admin.ask('DELETE', '/rm', { body: '{"n":1,"force":true}' });
    assert.deepEqual(admin.fleet.asked, ['scale 3 forced', 'add 1   forced', 'remove 1  forced']);
  });

  for (const method of ['POST', 'DELETE']) {
    it(`refuse ${method} /scale, and say which method it takes`, async () => {
      const { status, headers } = await admin.ask(method, '/scale', { body: '{"n":3}' });
      assert.deepEqual([status, headers.allow], [405, 'GET, HEAD, PUT']);
    });
  }

  it('do what a dry run that is off asks for', async () => {
    await admin.ask('POST', '/add?dry-run=0', { body: '{"n":2}' });
    await admin.ask('DELETE', '/rm?dry-run=false', { body: '{"n":2}' });
    assert.deepEqual(admin.fleet.asked, ['add 2', 'remove 2']);
  });

  it('say that they take no parameter', async () => {
    const { status, body } = await admin.ask('GET', '/scale?dry-run');
    assert.deepEqual([status, body], [400, failure('Unknown parameter "dry-run"; there are none')]);
  });

  it('and those that have no dry run refuse one rather than do it', async () => {
    const none = failure('Unknown parameter "dry-run"; there are none');
    for (const path of ['/drain', '/undrain']) {
      const { status, body } = await admin.ask('POST', `${path}?dry-run`, { body: '{"hostnames":["S1"]}' });
      assert.deepEqual([status, body], [400, none], path);
    }
    assert.deepEqual(admin.fleet.asked, []);
    assert.equal((await admin.ask('GET', '/replicas?x')).status, 400);
    // what others add to the address of a health check or of the list of replicas does no harm
    for (const path of ['/rep', '/healthz', '/readyz'])
      assert.equal((await admin.ask('GET', `${path}?t=1`)).status, 200, path);
  });

  for (const [path, problem] of [
    ['/add?dryrun', 'Unknown parameter "dryrun"; did you mean dry-run?'],
    ['/rm?x', 'Unknown parameter "x"; there is dry-run'],
    ['/add?dry-run=yes', 'dry-run must be true or false, not "yes"'],
    ['/rm?dry-run&dry-run=0', 'The parameter "dry-run" is there twice'],
  ] as const) {
    it(`refuse ${path} rather than guess a dry run`, async () => {
      const { status, body } = await admin.ask('POST', path, { body: '{"n":1}' });
      assert.deepEqual([status, body], [400, failure(problem)]);
      assert.deepEqual(admin.fleet.asked, []);
    });
  }

  for (const path of ['/drain', '/undrain']) {
    it(`pass POST ${path} to the fleet and return the drained names`, async () => {
      admin.fleet.change = async () => ['S2'];
      const { status, body } = await admin.ask('POST', path, { body: '{"hostnames":["S2","S3"]}' });
      assert.equal(status, 200);
      const message = { N: 3, replicas: ['S1', 'S2', 'S3'], draining: ['S2'] };
      assert.deepEqual(JSON.parse(body), { message, status: 'successful' });
      assert.deepEqual(admin.fleet.asked, [`${path.slice(1)} S2,S3`]);
    });
  }

  it('pass POST /weight to the fleet and return all weights', async () => {
    const { status, body } = await admin.ask('POST', '/weight', { body: '{"S2":5}' });
    const message = { N: 3, replicas: ['S1', 'S2', 'S3'], weights: { S1: 1, S2: 5, S3: 1 } };
    assert.deepEqual([status, JSON.parse(body).message], [200, message]);
    await admin.ask('POST', '/weight?dry-run', { body: '{"S2":0}' });
    await admin.ask('POST', '/add', { body: '{"n":1,"hostnames":["S9"],"weights":{"S9":4}}' });
    assert.deepEqual(admin.fleet.asked, ['weight S2=5', 'preview weight S2=0', 'add 1 S9 S9=4']);
  });

  it('take a body that curl calls a form', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.equal((await admin.ask('POST', '/add', { body: '{"n":1}', headers })).status, 200);
  });

  it('answer /healthz while the process runs, whatever the replicas do', async () => {
    admin.fleet.state = { ready: false, draining: false, reason: 'no replica is eligible' };
    const { status, body } = await admin.ask('GET', '/healthz');
    assert.equal(status, 200);
    assert.equal(body, '{"message":"The balancer runs","status":"successful"}');
  });

  it('answer /readyz with the reason when ready', async () => {
    const { status, body } = await admin.ask('GET', '/readyz');
    assert.equal(status, 200);
    assert.equal(body, '{"message":"3 of 3 replicas are eligible","status":"successful"}');
  });

  it('answer /readyz with 503, why, and Retry-After when not ready', async () => {
    admin.fleet.state = { ready: false, draining: false, reason: 'no replica is eligible' };
    const { status, headers, body } = await admin.ask('GET', '/readyz');
    assert.equal(status, 503);
    assert.equal(headers['retry-after'], '1');
    assert.equal(body, failure('no replica is eligible'));
  });

  it('answer /replicas with every replica', async () => {
    const { body } = await admin.ask('GET', '/replicas');
    assert.deepEqual(JSON.parse(body), { message: { N: 1, replicas: [REPLICA] }, status: 'successful' });
  });

  it('answer /ring?sample=N with N slots, and check N', async () => {
    const { body } = await admin.ask('GET', '/ring?sample=3');
    assert.deepEqual(JSON.parse(body).message.sample, [0, 0, 0]);
    for (const query of ['sample=0', 'sample=4097', 'sample=1e3', 'sample=', 'sampel=3']) {
      const wrong = await admin.ask('GET', `/ring?${query}`);
      assert.equal(wrong.status, 400, query);
      assert.match(wrong.body, /sample/);
    }
  });

  it('answer /ring with the table', async () => {
    const { body } = await admin.ask('GET', '/ring');
    assert.deepEqual(JSON.parse(body), { message: RING, status: 'successful' });
  });

  it('answer an unknown path with 404', async () => {
    const { status, headers, body } = await admin.ask('GET', '/nothing?x');
    assert.equal(status, 404);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(
      body,
      failure(
        'There is no "/nothing"; there is /rep, /add, /rm, /scale, /weight, /healthz, /readyz, /replicas, /ring, /drain, /undrain',
      ),
    );
  });

  it('cut a long path in the answer', async () => {
    const { body } = await admin.ask('GET', `/${'x'.repeat(5000)}`);
    assert.ok(body.length < 300, body);
  });

  for (const [method, path, allow] of [
    ['POST', '/rep', 'GET, HEAD'],
    ['GET', '/add', 'POST'],
    ['DELETE', '/add', 'POST'],
    ['GET', '/rm', 'DELETE, POST'],
    ['OPTIONS', '/rm', 'DELETE, POST'],
    ['PUT', '/healthz', 'GET, HEAD'],
    ['GET', '/drain', 'POST'],
    ['PUT', '/weight', 'POST'],
    ['DELETE', '/undrain', 'POST'],
  ] as const) {
    it(`answer ${method} ${path} with 405 and Allow: ${allow}`, async () => {
      const { status, headers, body } = await admin.ask(method, path);
      assert.equal(status, 405);
      assert.equal(headers.allow, allow);
      assert.equal(body, failure(`${path} takes ${allow}, not ${method}`));
    });
  }

  for (const [code, status, retryAfter] of [
    ['bad-request', 400, undefined],
    ['name-held', 400, undefined],
    ['start-failed', 502, undefined],
    ['image-missing', 502, undefined],
    ['engine-unreachable', 503, '1'],
  ] as const) {
    it(`answer a fleet's ${code} with ${status} and its message`, async () => {
      admin.fleet.change = async () => {
        throw new BalancerError(code, 'S5 says "why"');
      };
      const reply = await admin.ask('POST', '/add', { body: '{"n":1}' });
      assert.equal(reply.status, status);
      assert.equal(reply.headers['retry-after'], retryAfter);
      assert.equal(reply.body, failure('S5 says "why"'));
    });
  }

  it('tell nothing of an unexpected error, and log it', async () => {
    admin.fleet.change = async () => {
      throw new TypeError('secret of the machine');
    };
    const { status, body } = await admin.ask('POST', '/add', { body: '{"n":1}' });
    assert.equal(status, 500);
    assert.equal(body, failure('The balancer failed on this request'));
    assert.deepEqual(logged, ['secret of the machine']);
  });

  it('answer 400 to a wrong body without calling the fleet', async () => {
    const { status, body } = await admin.ask('POST', '/add', { body: '{"n":0}' });
    assert.equal(status, 400);
    assert.equal(body, failure('n must be a whole number from 1 to 10000, not 0'));
    assert.deepEqual(admin.fleet.asked, []);
  });
});

describe('the admin endpoints with a token', () => {
  const clock = new FakeClock();
  let admin: Running;
  before(async () => {
    admin = await runAdmin({ access: { token: 's3cret', clock } });
  });
  after(() => admin.stop());
  // what was wrong in one test is long ago in the next
  beforeEach(() => clock.advance(60_000));

  for (const [title, authorization, status] of [
    ['no Authorization', undefined, 401],
    ['a wrong token', 'Bearer other', 401],
    ['the beginning of the token', 'Bearer s3cre', 401],
    ['more than the token', 'Bearer s3cretx', 401],
    ['an empty token', 'Bearer ', 401],
    ['another scheme', 'Basic s3cret', 401],
    ['the token', 'Bearer s3cret', 200],
    ['the scheme in other letters', 'bearer s3cret', 200],
  ] as const) {
    it(`answer ${title} with ${status}`, async () => {
      const headers = authorization === undefined ? {} : { authorization };
      for (const path of ['/add', '/rm']) {
        assert.equal((await admin.ask('POST', path, { body: '{"n":1}', headers })).status, status);
      }
      for (const path of ['/drain', '/undrain']) {
        assert.equal(
          (await admin.ask('POST', path, { body: '{"hostnames":["S1"]}', headers })).status,
          status,
        );
      }
    });
  }

  it('say in a 401 which scheme is asked for', async () => {
    const { headers, body } = await admin.ask('POST', '/add', { body: '{"n":1}' });
    assert.equal(headers['www-authenticate'], 'Bearer');
    assert.equal(body, failure('This needs the admin token: Authorization: Bearer TOKEN'));
  });

  for (const path of ['/rep', '/healthz', '/readyz', '/replicas', '/ring']) {
    it(`leave ${path} open`, async () => {
      assert.equal((await admin.ask('GET', path)).status, 200);
    });
  }
});
