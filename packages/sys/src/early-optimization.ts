// V8 compiles a function well when it has been called some four hundred times: right for a server under load, late for an engine, of which
// people want a command now and then. Called once by each daemon at its start; shims have their own flags (zygote/programs.ts).
import { setFlagsFromString } from 'node:v8';

/** Calls of a function, and calls since its types last changed, before V8's first optimizing compiler takes it up. */
const CALLS = 40;

/** For the whole process, and for functions that are compiled from now on. */
export function optimizeEarly(): void {
  setFlagsFromString(`--invocation-count-for-maglev=${CALLS}`);
  setFlagsFromString(`--minimum-invocations-after-ic-update=${CALLS}`);
}
