// `berth-lifecycle config default` and `config dump`: the settings as a file that `--config` takes.
import type { TomlTable } from '@berth/oci/toml';
import { stringify } from 'smol-toml';
import { type Config, configKeys } from './keys.ts';

export function printConfig(config: Config): string {
  const document: TomlTable = { version: 3 };
  for (const [name, { path, kind }] of configKeys()) {
    const table = path.slice(0, -1).reduce<TomlTable>((parent, part) => {
      parent[part] ??= {};
      return parent[part] as TomlTable;
    }, document);
    table[path.at(-1) as string] = kind.print(config[name]);
  }
  return `${stringify(document).trimEnd()}\n`;
}
