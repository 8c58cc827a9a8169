/** What programs write when they cannot start or crash, as they wrote it, and the line of it that says why. */

interface CrashReport {
  readonly title: string;
  readonly stderr?: string;
  readonly stdout?: string;
  readonly line: string;
}

export const CRASH_REPORTS: readonly CrashReport[] = [
  {
    title: 'Node.js, a port that is taken',
    stderr: `node:events:505
    throw er; // Unhandled 'error' event
    ^

Error: listen EADDRINUSE: address already in use :::5000
    at Server.setupListenHandle [as _listen2] (node:net:2390:16)
    at listenInCluster (node:net:2499:12)
    at node:net:2728:7
    at process.processTicksAndRejections (node:internal/process/task_queues:90:21)
Emitted 'error' event on Server instance at:
    at emitErrorNT (node:net:2478:8)
    at process.processTicksAndRejections (node:internal/process/task_queues:90:21) {
  code: 'EADDRINUSE',
  errno: -98,
  syscall: 'listen',
  address: '::',
  port: 5000
}

Node.js v26.10.0
`,
    line: 'Error: listen EADDRINUSE: address already in use :::5000',
  },
  {
    title: 'Node.js, a module that is missing',
    stderr: `node:internal/modules/cjs/loader:1475
  throw err;
  ^

Error: Cannot find module '/x.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1475:15)
    at async failed (node:internal/x:1:2) {
  code: 'MODULE_NOT_FOUND',
  requireStack: []
}

Node.js v26.10.0
`,
    line: "Error: Cannot find module '/x.js'",
  },
  {
    title: 'Node.js, an error with a cause',
    stderr: `file:///app/start.mjs:1
try { await read('/etc/app/config.json'); } catch (cause) { throw new Error('cannot load the configuration', { cause }); }
                                                                  ^

Error: cannot load the configuration
    at file:///app/start.mjs:1:106 {
  [cause]: [Error: ENOENT: no such file or directory, open '/etc/app/config.json'] {
    errno: -2,
    code: 'ENOENT',
    syscall: 'open',
    path: '/etc/app/config.json'
  }
}

Node.js v26.10.0
`,
    line: "Error: cannot load the configuration (cause: Error: ENOENT: no such file or directory, open '/etc/app/config.json')",
  },
  {
    title: 'Node.js, an error of a name of its own',
    stderr: `/app/start.js:2
throw new ConfigProblem('port is missing');
^

ConfigProblem: port is missing
    at Object.<anonymous> (/app/start.js:2:7)
    at node:internal/main/run_main_module:33:47

Node.js v26.10.0
`,
    line: 'ConfigProblem: port is missing',
  },
  {
    title: 'Node.js, something thrown that is no error',
    stderr: `
/app/start.js:1
throw {code: 5}
^
{ code: 5 }

Node.js v26.10.0
`,
    line: '{ code: 5 }',
  },
  {
    title: 'Node.js, a rejection that nobody handles',
    stderr: `node:internal/process/promises:322
      new UnhandledPromiseRejection(reason);
      ^

UnhandledPromiseRejection: This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason "no luck".
    at throwUnhandledRejectionsMode (node:internal/process/promises:322:7)
    at process.processTicksAndRejections (node:internal/process/task_queues:106:37) {
  code: 'ERR_UNHANDLED_REJECTION'
}

Node.js v26.10.0
`,
    line: 'UnhandledPromiseRejection: no luck',
  },
  {
    title: 'Node.js, a full heap',
    stderr: `
<--- Last few GCs --->

[16931:0x18e18000]      232 ms: Mark-Compact (reduce) 25.2 (27.1) -> 25.2 (27.1) MB, pooled: 0.0 MB, 11.93 / 0.00 ms (average mu = 0.063, current mu = 0.002) last resort; GC in old space requested

FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory
----- Native stack trace -----

 1: 0x840e50  [node]
 2: 0x8410bd node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]
`,
    line: 'FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory',
  },
  {
    title: 'npm, which runs what throws',
    stdout: '\n> start\n> node x.js\n\n',
    stderr: `/app/x.js:1
throw new TypeError("no port")
^

TypeError: no port
    at Object.<anonymous> (/app/x.js:1:7)
    at node:internal/main/run_main_module:33:47

Node.js v26.10.0
npm notice
npm notice New major version of npm available! 11.19.1 -> 12.2.1
npm notice To update run: npm install -g npm@12.2.1
npm notice
`,
    line: 'TypeError: no port',
  },
  {
    title: 'Python, an exception raised from another',
    stderr: `Traceback (most recent call last):
  File "/app/app.py", line 4, in <module>
    load()
  File "/app/app.py", line 2, in load
    return {}['database']
           ~~^^^^^^^^^^^^
KeyError: 'database'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/app.py", line 6, in <module>
    raise RuntimeError('no database is configured') from error
RuntimeError: no database is configured
`,
    line: 'RuntimeError: no database is configured',
  },
  {
    title: 'Python, a message of several lines',
    stderr: `Traceback (most recent call last):
  File "/app/multi.py", line 1, in <module>
    raise ValueError('first line\\n  second line\\nthird line')
ValueError: first line
  second line
third line
`,
    line: 'ValueError: first line',
  },
  {
    title: 'Python, an exception of a name of its own',
    stderr: `Traceback (most recent call last):
  File "/app/run.py", line 3, in <module>
    arbiter.halt()
    ~~~~~~~~~~~~^^
gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>
`,
    line: "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>",
  },
  {
    title: 'Python, a file that is no Python',
    stderr: '  File "/app/syn.py", line 1\n    def x(:\n          ^\nSyntaxError: invalid syntax\n',
    line: 'SyntaxError: invalid syntax',
  },
  {
    title: 'Python, an argument that it does not know',
    stderr: 'usage: serve [-h] [--port PORT]\nserve: error: unrecognized arguments: --bad\n',
    line: 'serve: error: unrecognized arguments: --bad',
  },
  {
    title: 'gunicorn, an application that does not load',
    stderr: `[2026-11-26 13:39:44 +0000] [6357] [INFO] Starting gunicorn 20.1.0
[2026-11-26 13:39:44 +0000] [6358] [INFO] Booting worker with pid: 6358
[2026-11-26 13:39:44 +0000] [6358] [ERROR] Exception in worker process
Traceback (most recent call last):
  File "/usr/lib/python3/dist-packages/gunicorn/arbiter.py", line 589, in spawn_worker
    worker.init_process()
  File "/usr/lib/python3/dist-packages/gunicorn/app/base.py", line 67, in wsgi
    self.callable = self.load()
                    ^^^^^^^^^^^
  File "<frozen importlib._bootstrap>", line 241, in _call_with_frames_removed
  File "/c/wsgi.py", line 1, in <module>
    import nothere
ModuleNotFoundError: No module named 'nothere'
[2026-11-26 13:39:44 +0000] [6358] [INFO] Worker exiting (pid: 6358)
[2026-11-26 13:39:44 +0000] [6357] [INFO] Shutting down: Master
[2026-11-26 13:39:44 +0000] [6357] [INFO] Reason: Worker failed to boot.
`,
    line: "ModuleNotFoundError: No module named 'nothere'",
  },
  {
    title: 'gunicorn, a port that is taken',
    stderr: `[2026-11-26 13:39:45 +0000] [6362] [INFO] Starting gunicorn 20.1.0
[2026-11-26 13:39:45 +0000] [6362] [ERROR] Connection in use: ('127.0.0.1', 45992)
[2026-11-26 13:39:45 +0000] [6362] [ERROR] Retrying in 1 second.
[2026-11-26 13:39:46 +0000] [6362] [ERROR] Connection in use: ('127.0.0.1', 45992)
[2026-11-26 13:39:46 +0000] [6362] [ERROR] Retrying in 1 second.
[2026-11-26 13:39:50 +0000] [6362] [ERROR] Can't connect to ('127.0.0.1', 45992)
`,
    line: "[2026-11-26 13:39:45 +0000] [6362] [ERROR] Connection in use: ('127.0.0.1', 45992)",
  },
  {
    title: 'nginx, a port that is taken',
    stderr: `2026/11/26 13:39:14 [emerg] 17184#17184: bind() to 127.0.0.1:45873 failed (98: Address already in use)
2026/11/26 13:39:14 [emerg] 17184#17184: bind() to 127.0.0.1:45873 failed (98: Address already in use)
2026/11/26 13:39:14 [emerg] 17184#17184: still could not bind()
`,
    line: '2026/11/26 13:39:14 [emerg] 17184#17184: bind() to 127.0.0.1:45873 failed (98: Address already in use)',
  },
  {
    title: 'Java, an exception with a cause',
    stderr: `Exception in thread "main" java.lang.IllegalStateException: cannot start the server
	at Main.main(Main.java:1)
Caused by: java.net.BindException: Address already in use
	at java.base/sun.nio.ch.Net.bind0(Native Method)
	at java.base/java.net.ServerSocket.<init>(ServerSocket.java:274)
	at Main.main(Main.java:1)
	... 1 more
`,
    line: 'Exception in thread "main" java.lang.IllegalStateException: cannot start the server (cause: java.net.BindException: Address already in use)',
  },
  {
    title: 'Go, a panic',
    stderr:
      'panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nmain.main()\n\t/c/a.go:3 +0x3c\nexit status 2\n',
    line: 'panic: assignment to entry in nil map',
  },
  {
    title: 'Go, a line of its log',
    stderr: '2026/11/26 13:39:43 listen tcp: address 99999: invalid port\n',
    line: '2026/11/26 13:39:43 listen tcp: address 99999: invalid port',
  },
  {
    title: 'Rust, a panic',
    stderr: `
thread 'main' (17226) panicked at p.rs:1:66:
cannot start: "no port"
note: run with \`RUST_BACKTRACE=1\` environment variable to display a backtrace
`,
    line: 'thread \'main\' (17226) panicked at p.rs:1:66: cannot start: "no port"',
  },
  {
    title: 'Ruby',
    stderr: "a.rb:1:in `f': no port (ArgumentError)\n\tfrom a.rb:1:in `<main>'\n",
    line: "a.rb:1:in `f': no port (ArgumentError)",
  },
  {
    title: 'PHP',
    stderr:
      'PHP Fatal error:  Uncaught RuntimeException: no port in /c/a.php:1\nStack trace:\n#0 {main}\n  thrown in /c/a.php on line 1\n',
    line: 'PHP Fatal error: Uncaught RuntimeException: no port in /c/a.php:1',
  },
  { title: 'Perl', stderr: 'no port at -e line 1.\n', line: 'no port at -e line 1.' },
  {
    title: 'C++, an exception',
    stderr: "terminate called after throwing an instance of 'std::runtime_error'\n  what():  no port\n",
    line: "terminate called after throwing an instance of 'std::runtime_error' what(): no port",
  },
  {
    title: 'C, an assertion',
    stderr: "bc: b.c:2: main: Assertion `0 == 1' failed.\n",
    line: "bc: b.c:2: main: Assertion `0 == 1' failed.",
  },
  {
    title: 'bash',
    stderr: 'bash: no-such-cmd: command not found\n',
    line: 'bash: no-such-cmd: command not found',
  },
  { title: 'a POSIX shell', stderr: 'sh: 1: foo: not found\n', line: 'sh: 1: foo: not found' },
  {
    title: 'Spring Boot, on its standard output',
    stdout: `2026-11-26T13:40:00.000Z  INFO 1 --- [main] o.apache.catalina.core.StandardService   : Stopping service [Tomcat]

***************************
APPLICATION FAILED TO START
***************************

Description:

Web server failed to start. Port 8080 was already in use.

Action:

Identify and stop the process that's listening on port 8080 or configure this application to listen on another port.
`,
    line: 'Web server failed to start. Port 8080 was already in use.',
  },
  {
    title: 'a program that says it on its standard output alone',
    stdout: 'starting\nno licence for this machine\n',
    line: 'no licence for this machine',
  },
  {
    title: 'a program whose standard error has only a warning',
    stdout: 'Error: no database\n    at main (/app/x.js:1:1)\n',
    stderr: 'DEPRECATED: use --listen\n',
    line: 'Error: no database',
  },
  {
    title: 'a program that names an error long before it ends',
    stderr:
      'Error: the cache is away, going on\nlistening\nwarming up\nTypeError: x is not a function\n    at main\n',
    line: 'TypeError: x is not a function',
  },
  { title: 'a program that names no error', stderr: 'one\ntwo\n\n', line: 'two' },
  {
    title: 'colours of a terminal',
    stderr: '\u001b[31mError: red\u0000\t!\u001b[0m\n',
    line: 'Error: red !',
  },
  { title: 'nothing', line: '' },
];
