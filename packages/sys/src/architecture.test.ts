// Facts of one architecture: the two lists of numbers agree, and nobody else has any.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { architecture } from './architecture.ts';
import { NONE, syscallNumbers } from './syscall-numbers.ts';

for (const [arch, name] of [
  ['x64', 'x86_64'],
  ['arm64', 'aarch64'],
] as const) {
  test(`the numbers of system calls that are made are those of the table: ${name}`, () => {
    const { syscalls } = architecture(name);
    for (const [call, number] of Object.entries(syscallNumbers(arch))) {
      const inTable = call.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      assert.equal(number, syscalls.get(inTable === 'prlimit' ? 'prlimit64' : inTable) ?? NONE, call);
    }
  });
}

/** Audit tokens; open(2)'s flags that differ; machine code; numbers of system calls. */
const OF_ONE_ARCHITECTURE =
  /0x(?:c000003e|40000003|c00000b7|40000028)\b|\bO_(?:DIRECTORY|NOFOLLOW|DIRECT|LARGEFILE)\s*[:=]\s*0|\b(?:SYS|NR)_\w+\s*[:=]\s*\d|\b(?:elfProgram|machineCode)\b/i;

test('no other package knows what holds on one architecture only', () => {
  const packages = join(import.meta.dirname, '../..');
  const files = globSync('*/src/**/*.ts', { cwd: packages }).filter((file) => !/^sys\/|\/gen\/|\.test\.ts$/.test(file));
  assert.ok(files.length > 500);
  const found = files.flatMap((file) => {
    const lines = readFileSync(join(packages, file), 'utf8').split('\n');
    return lines.filter((line) => OF_ONE_ARCHITECTURE.test(line)).map((line) => `${file}: ${line.trim()}`);
  });
  assert.deepEqual(found, []);
});
