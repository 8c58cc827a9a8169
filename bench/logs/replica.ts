/**
 * A replica that responds at once, and while a file exists prints as many lines a second as it is told, if it is S1:
 * `node replica.ts <file> <lines a second>`. What it has printed is counted in `<file>.count`.
 * Must not hold: anything from lib.
 */
import { existsSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';

const [file = '', perSecond = '0'] = process.argv.slice(2);
const EVERY_MS = 10;
const STDOUT = 1;

createServer((_, response) => response.end('hello')).listen(Number(process.env.PORT), '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));

let printed = 0;
let sinceMs = 0;

/** Prints what is due by now; what the pipe does not take at once is tried again. */
function print(): void {
  if (!existsSync(file)) {
    if (sinceMs > 0) writeFileSync(`${file}.count`, `${printed} ${Math.round(performance.now() - sinceMs)}`);
    sinceMs = 0;
    return;
  }
  if (sinceMs === 0) [sinceMs, printed] = [performance.now(), 0];
  const due = Math.floor(((performance.now() - sinceMs) / 1000) * Number(perSecond)) - printed;
  if (due <= 0) return;
  const lines = Array.from(
    { length: due },
    (_, at) => `line ${printed + at} of a replica that has much to say, and says it fast\n`,
  );
  printed += due;
  let left = Buffer.from(lines.join(''));
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(STDOUT, left));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}

if (process.env.SERVER_ID === 'S1') setInterval(print, EVERY_MS);
