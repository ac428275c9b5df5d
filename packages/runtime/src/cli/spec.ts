// berth-runtime spec: a config.json to begin with.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupMode } from '../cgroup/hierarchy.ts';
import { exampleSpec, rootlessSpec } from '../example-spec.ts';
import { textOf, usage } from './arguments.ts';
import type { Command } from './command.ts';

export const spec: Command = {
  usage: '[options]',
  help: 'write a new config.json',
  flags: {
    bundle: { kind: 'value', short: 'b', help: 'directory to write it to' },
    rootless: { kind: 'flag', help: 'for a container of an unprivileged user' },
  },
  run(parsed) {
    const path = join(textOf(parsed, 'bundle') ?? '.', 'config.json');
    if (existsSync(path)) throw usage('File config.json exists. Remove it first');
    const options = { cgroupNamespace: cgroupMode() === 'unified' };
    const content = parsed.flags.has('rootless')
      ? rootlessSpec(process.geteuid?.() ?? 0, process.getegid?.() ?? 0, options)
      : exampleSpec(options);
    writeFileSync(path, `${JSON.stringify(content, null, '\t')}\n`, { mode: 0o666 });
    return 0;
  },
};
