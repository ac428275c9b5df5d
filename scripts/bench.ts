// `npm run bench [-- FAMILY …]`: Berth beside its peers in one run, the same client against both in turn. Prints a table of medians, spreads
// and ratios; it never passes or fails on a time. RUNS=n changes the number of pairs.
import { cpus, release } from 'node:os';
import { rows as commands } from '../test/bench/commands.ts';
import { rows as idle } from '../test/bench/idle.ts';
import { rows as images } from '../test/bench/images.ts';
import { rows as lifecycle } from '../test/bench/lifecycle.ts';
import { rows as runtime } from '../test/bench/runtime.ts';
import { type Family, type Row, table } from '../test/bench/table.ts';
import { rows as unpack } from '../test/bench/unpack.ts';

const FAMILIES: Record<string, Family> = { commands, idle, images, lifecycle, runtime, unpack };

const runs = Number(process.env.RUNS ?? 20);
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(FAMILIES);
const unknown = names.filter((name) => !(name in FAMILIES));
if (unknown.length > 0) {
  console.error(`bench: no family ${unknown.join(', ')}: there are ${Object.keys(FAMILIES).join(', ')}`);
  process.exit(2);
}

const rows: Row[] = [];
for (const name of names) rows.push(...(await (FAMILIES[name] as Family)(runs)));
const model = cpus()[0]?.model.trim() ?? 'unknown processor';
const date = new Date().toISOString().slice(0, 10);
console.log(
  `${date}, ${cpus().length} × ${model}, Linux ${release()}, Node ${process.versions.node}; ${runs} pairs; median (middle half)\n`,
);
for (const line of table(rows)) console.log(line);
