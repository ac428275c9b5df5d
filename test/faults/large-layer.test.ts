// A layer's size does not show in the memory of the engine: not that of a plain archive which passes through both services, not what a
// small compressed one unpacks to, and not that of one that is pulled, whose bytes are written once as they came and once as files.
// BERTH_LARGE_LAYER=2048 is the long form (MiB).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { tarEntry } from '@berth/oci/tar/entry';
import { tarEnd, tarHeader } from '@berth/oci/tar/writer';
import { Berthd, processesOf } from '../harness/berthd.ts';
import { dockerClient } from '../harness/programs.ts';
import { startRegistry } from '../registry/registry-process.ts';
import { storeArchives } from '../registry/test-image.ts';

const PIECE = 32 << 20;
const PIECES = Number(process.env.BERTH_LARGE_LAYER ?? 384) / 32;
/** Bytes: buffers, and what V8 takes for code that has not run before. */
const MOST_GROWTH = 160e6;

let daemon: Berthd;
before(async () => {
  daemon = await Berthd.start({ hostNetwork: true, flags: ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] });
  // The first image compiles what is needed for any.
  await daemon.importBusybox();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

/** One file of zeros, as the archive's head, its pieces and its end. */
const zeros = Buffer.alloc(PIECE);

function* plain(pieces = PIECES): Generator<Buffer> {
  yield tarHeader(tarEntry({ type: 'file', name: 'zeros', size: PIECE * pieces }));
  for (let piece = 0; piece < pieces; piece++) yield zeros;
  yield tarEnd();
}

/** Every piece a member of its own: the compressed archive has a thousandth of the size, and takes no time to make. */
function* compressed(): Generator<Buffer> {
  const piece = gzipSync(zeros);
  for (const part of plain()) yield part === zeros ? piece : gzipSync(part);
}

for (const [form, archive] of [
  ['plain', plain],
  ['compressed', compressed],
] as const) {
  test(`a ${form} layer of ${PIECES * 32} MiB`, async () => {
    const pids = services();
    const before = pids.map(resetPeak);
    assert.equal(await imported(archive(), `large:${form}`), 0, daemon.log.slice(-3000));
    const grown = pids.map((pid, at) => peakOf(pid) - (before[at] as number));
    for (const growth of grown) assert.ok(growth < MOST_GROWTH, `grew by ${grown.map((bytes) => `${bytes / 1e6} MB`)}`);
    const { stdout } = await daemon.docker(['image', 'inspect', '-f', '{{.Size}}', `large:${form}`]);
    assert.ok(Number(stdout) >= PIECE * PIECES);
    await daemon.docker(['rmi', `large:${form}`]);
  });
}

// Made in one buffer, of which less than 2 GiB can be hashed.
const PULLED = Math.min(PIECES, 63);
test(`a pull of a layer of ${PULLED * 32} MiB`, async () => {
  await using registry = await startRegistry();
  const name = `${registry.host}/large:pulled`;
  const noise = randomBytes(PIECE);
  const archive = Buffer.concat([...plain(PULLED)].map((part) => (part === zeros ? noise : part)));
  await storeArchives(name, { family: 'oci', compression: 'none', layers: [] }, [archive]);
  const pids = services();
  const before = pids.map((pid) => ({ memory: resetPeak(pid), written: writtenBy(pid) }));
  const { code, stderr } = await daemon.docker(['pull', '-q', name], { timeout: 280_000 });
  assert.equal(code, 0, stderr);
  const grown = pids.map((pid, at) => peakOf(pid) - (before[at]?.memory ?? 0));
  for (const growth of grown) assert.ok(growth < MOST_GROWTH, `grew by ${grown.map((bytes) => `${bytes / 1e6} MB`)}`);
  const written = pids.reduce((sum, pid, at) => sum + writtenBy(pid) - (before[at]?.written ?? 0), 0);
  console.log(
    `${(written / archive.length).toFixed(3)} bytes written for each of the layer, grew by ${grown.map((bytes) => `${bytes / 1e6} MB`)}`,
  );
  assert.ok(written > archive.length, 'what the processes write is not counted here');
  assert.ok(written < 2 * archive.length + 2e6, `${written} bytes written for ${archive.length}`);
  await daemon.docker(['rmi', name]);
});

async function imported(archive: Iterable<Buffer>, name: string): Promise<number | null> {
  const child = spawn(dockerClient(), ['import', '-', name], { env: daemon.environment, stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.stdin.on('error', () => {});
  for (const part of archive) if (!child.stdin.write(part)) await new Promise((resolve) => child.stdin.once('drain', resolve));
  child.stdin.end();
  return ended;
}

/** Process ids of the daemon and the lifecycle service. */
function services(): string[] {
  const pids = processesOf(daemon.directory)
    .filter((line) => /berthd\.js|berth-lifecycle\.js/.test(line))
    .map((line) => line.split(' ')[1] as string);
  assert.equal(pids.length, 2);
  return pids;
}

/** Bytes that all threads have handed to write(2) and its like, to files, sockets and pipes (proc(5), io). */
function writtenBy(pid: string): number {
  return Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}

/** Bytes at this moment; the peak is counted from here (proc(5), clear_refs). */
function resetPeak(pid: string): number {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  return peakOf(pid);
}

function peakOf(pid: string): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
