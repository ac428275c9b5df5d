// koffi through its CommonJS door: the ESM one resolves and compiles four files more, which is 5 ms of every start of a program.
import { createRequire } from 'node:module';

export const koffi: typeof import('koffi').default = createRequire(import.meta.url)('koffi');
