import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LinuxSeccomp } from '@berth/oci/runtime-spec';
import { FilterCache } from './cache.ts';
import { compileFilter } from './filter.ts';

const profile: LinuxSeccomp = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }] };

test('a second process reads what the first compiled; a damaged file is compiled again', () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-seccomp-'));
  try {
    const expected = compileFilter(profile);
    assert.deepEqual(new FilterCache(directory).get(profile), expected);
    assert.deepEqual(new FilterCache(directory).get(profile), expected);
    const [file] = readdirSync(directory);
    writeFileSync(join(directory, file ?? ''), Buffer.alloc(200));
    assert.deepEqual(new FilterCache(directory).get(profile), expected);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('without a directory, or with one that cannot be written, it only costs time', () => {
  assert.deepEqual(new FilterCache().get(profile), compileFilter(profile));
  assert.deepEqual(new FilterCache('/dev/null/directory').get(profile), compileFilter(profile));
});
