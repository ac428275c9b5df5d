// Output and input of containers: attach sockets, logs, FIFOs, terminals.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, existsSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/eventually.ts';
import { Attached, alive, Laboratory } from './laboratory.ts';

test('an attached client gets everything, in frames, and its end after the process has ended', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('seq 1 20000; echo done >&2');
  await lab.create(shim);
  const both = new Attached(lab.attachPath(shim), { stdout: true, stderr: true });
  const errors = new Attached(lab.attachPath(shim), { stderr: true });
  await shim.task.start({ id: shim.id });
  const expected = Array.from({ length: 20000 }, (_, index) => `${index + 1}\n`).join('');
  await Promise.all([both.ended, errors.ended]);
  assert.equal(both.text(1), expected);
  assert.equal(both.text(2), 'done\n');
  assert.equal(errors.text(1), '');
  assert.equal(errors.text(2), 'done\n');
  await shim.task.wait({ id: shim.id });
  assert.equal(lab.logged(shim, 'stdout'), expected);
});

test('a client whose first line comes after the end of a short process still gets its output', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('echo short');
  await lab.create(shim);
  const socket = connect(lab.attachPath(shim));
  await once(socket, 'connect');
  await shim.task.start({ id: shim.id });
  const { pid } = await shim.task.state({ id: shim.id });
  await eventually(() => !alive(pid), 'the end of the process');
  await sleep(100);
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.write(`${JSON.stringify({ stdout: true })}\n`);
  await once(socket, 'end');
  assert.match(text, /short\n$/);
});

test('input: half-close ends it when stdin-once is set, and only then', async (t) => {
  const lab = await Laboratory.open(t);
  const single = await lab.run('cat; echo ended', { stdin: true, query: '&stdin-once=1' });
  const client = new Attached(lab.attachPath(single), { stdin: true, stdout: true });
  client.socket.end('some words');
  await client.ended;
  assert.equal(client.text(1), 'some wordsended\n');

  const kept = await lab.run('cat; echo ended', { stdin: true });
  const first = new Attached(lab.attachPath(kept), { stdin: true, stdout: true });
  first.socket.write('one ');
  await eventually(() => first.text(1) === 'one ', 'the first word');
  first.socket.destroy();
  const second = new Attached(lab.attachPath(kept), { stdin: true, stdout: true });
  second.socket.write('two ');
  await eventually(() => second.text(1) === 'two ', 'the second word');
  await kept.task.closeIO({ id: kept.id, stdin: true });
  await second.ended;
  assert.equal(second.text(1), 'two ended\n');
});

test('megabytes of input and output pass with back pressure and without loss', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('wc -c');
  await lab.create(shim, { stdin: true, query: '&stdin-once=1' });
  const client = new Attached(lab.attachPath(shim), { stdin: true, stdout: true });
  await shim.task.start({ id: shim.id });
  const block = Buffer.alloc(1 << 20, 'x');
  for (let i = 0; i < 12; i++) if (!client.socket.write(block)) await new Promise((resolve) => client.socket.once('drain', resolve));
  client.socket.end();
  await client.ended;
  assert.equal(client.text(1).trim(), String(12 << 20));
});

test('a client that does not read holds the process up, then is dropped, and the process goes on', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('yes 0123456789abcdef | head -c 8000000; echo finished >&2');
  await lab.create(shim, { query: '&stall=1' });
  const lazy = connect(lab.attachPath(shim));
  lazy.on('error', () => {});
  lazy.write('{"stdout":true}\n');
  lazy.pause();
  t.after(() => lazy.destroy());
  await shim.task.start({ id: shim.id });
  const waiting = shim.task.wait({ id: shim.id });
  const held = await Promise.race([waiting, new Promise((resolve) => setTimeout(() => resolve('held'), 500))]);
  assert.equal(held, 'held');
  await waiting;
  assert.equal(lab.logged(shim, 'stderr'), 'finished\n');
});

test('a client that reads slowly after the end still gets it all, and the shim waits for it', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('yes 0123456789abcdef | head -c 900000');
  await lab.create(shim);
  const slow = new Attached(lab.attachPath(shim), { stdout: true });
  slow.socket.pause();
  await shim.task.start({ id: shim.id });
  await shim.task.wait({ id: shim.id });
  await shim.task.delete({ id: shim.id });
  await shim.task.shutdown({ id: shim.id });
  await new Promise((resolve) => setTimeout(resolve, 200));
  slow.socket.resume();
  await slow.ended;
  assert.equal(slow.text(1).length, 900000);
});

test('a terminal: raw output, size, echo and a shell that is spoken to', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('stty size; read line; echo "got $line"', (spec) => {
    if (spec.process) Object.assign(spec.process, { terminal: true, consoleSize: { height: 33, width: 77 } });
  });
  await lab.create(shim, { terminal: true, stdin: true });
  const client = new Attached(lab.attachPath(shim), { stdin: true, stdout: true });
  await shim.task.start({ id: shim.id });
  await eventually(() => client.raw.includes('33 77'), 'the terminal size');
  await shim.task.resizePty({ id: shim.id, width: 120, height: 40 });
  client.socket.write('hello\n');
  await client.ended;
  assert.match(client.raw, /33 77\r\nhello\r\ngot hello\r\n/);
  assert.equal(lab.logged(shim), client.raw);
});

test('json-file: entries as Docker writes them, rotation', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.run('printf "<a> & \\"b\\"\\n"; head -c 20000 /dev/zero; printf "\\nno newline"');
  await shim.task.wait({ id: shim.id });
  const lines = readFileSync(lab.logPath(shim), 'utf8').trimEnd().split('\n');
  assert.match(
    lines[0] ?? '',
    /^\{"log":"\\u003ca\\u003e \\u0026 \\"b\\"\\n","stream":"stdout","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"\}$/,
  );
  const logs = lines.map((line) => (JSON.parse(line) as { log: string }).log);
  assert.deepEqual(
    logs.slice(1).map((log) => log.length),
    [16384, 20000 - 16384 + 1, 10],
  );
  assert.equal(logs.at(-1), 'no newline');

  const chatty = await lab.run('seq 1 3000', { query: '&max-size=50k&max-file=3' });
  await chatty.task.wait({ id: chatty.id });
  const path = lab.logPath(chatty);
  assert.ok(existsSync(`${path}.1`) && existsSync(`${path}.2`) && !existsSync(`${path}.3`));
  for (const file of [path, `${path}.1`, `${path}.2`]) assert.ok(statSync(file).size <= 50_000 + 200, file);
  assert.match(lab.logged(chatty), /3000\n$/);
});

test("FIFOs, as containerd's clients give them", async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('cat; echo err >&2');
  const [stdin, stdout, stderr] = ['in', 'out', 'err'].map((name) => join(shim.bundle, name)) as [string, string, string];
  for (const path of [stdin, stdout, stderr]) execFileSync('mkfifo', [path]);
  await shim.task.create({ id: shim.id, bundle: shim.bundle, stdin, stdout, stderr });
  const outputs = [stdout, stderr].map(async (path) => {
    let text = '';
    for await (const chunk of createReadStream(path, 'utf8')) text += chunk;
    return text;
  });
  await shim.task.start({ id: shim.id });
  const input = openSync(stdin, 'w');
  writeSync(input, 'through a pipe\n');
  closeSync(input);
  await shim.task.closeIO({ id: shim.id, stdin: true });
  assert.equal((await shim.task.wait({ id: shim.id })).exitStatus, 0);
  assert.deepEqual(await Promise.all(outputs), ['through a pipe\n', 'err\n']);
});

test('a logging program reads the output itself, and a terminal through the shim', async (t) => {
  const lab = await Laboratory.open(t);
  const logger = join(lab.root, 'logger');
  writeFileSync(
    logger,
    '#!/bin/sh\nexec 5>&-\necho "$CONTAINER_NAMESPACE $1 $2" > "$2"; cat <&3 >> "$2"; cat <&4 >> "$2"; echo end >> "$2"\n',
    { mode: 0o755 },
  );
  for (const terminal of [false, true]) {
    const shim = await lab.shim('echo out; echo err >&2', (spec) => {
      if (spec.process) spec.process.terminal = terminal;
    });
    const file = join(shim.bundle, 'logged');
    const uri = `binary://${logger}?file=${encodeURIComponent(file)}`;
    await shim.task.create({ id: shim.id, bundle: shim.bundle, terminal, stdout: uri, stderr: terminal ? '' : uri });
    await shim.task.start({ id: shim.id });
    await shim.task.wait({ id: shim.id });
    const text = await eventually(
      () => existsSync(file) && readFileSync(file, 'utf8').endsWith('end\n') && readFileSync(file, 'utf8'),
      'the logger',
    );
    assert.equal(text, `test file ${file}\n${terminal ? 'out\r\nerr\r\n' : 'out\nerr\n'}end\n`);
  }
});

test('names that are no stdio are refused', async (t) => {
  const lab = await Laboratory.open(t);
  const shim = await lab.shim('true');
  for (const [stdout, message] of [
    ['relative/path', /neither a path nor a URI/],
    ['ftp:///x', /the scheme ftp is not known/],
    [`attach://${shim.bundle}/a?log=syslog`, /the log driver syslog is not known/],
    [`attach://${shim.bundle}/a?log=json-file&path=/x&max-size=much`, /max-size=much is not a size/],
  ] as const) {
    await assert.rejects(shim.task.create({ id: shim.id, bundle: shim.bundle, stdout }), { kind: 'InvalidArgument', message });
  }
});
