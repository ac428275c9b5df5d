// koffi by its native part alone. Its own door reads the header of the running program to tell glibc from musl, and compiles some 600 lines
// that take deprecated calls: 15 ms of CPU at every start of a program, and Node's search for it 6 more, where this takes one.
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

type Koffi = typeof import('koffi').default;

export const koffi: Koffi = nativePart() ?? createRequire(import.meta.url)('koffi');

/** Undefined where koffi keeps its files elsewhere, or the C library is another. */
function nativePart(): Koffi | undefined {
  for (let directory = import.meta.dirname; directory !== '/'; directory = dirname(directory)) {
    const koffi = join(directory, 'node_modules/koffi');
    if (!existsSync(koffi)) continue;
    const module = { exports: {} as Koffi };
    try {
      // Its packages lie beside it.
      process.dlopen(module, join(realpathSync(koffi), `../@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`));
      return module.exports;
    } catch {
      return undefined;
    }
  }
  return undefined;
}
