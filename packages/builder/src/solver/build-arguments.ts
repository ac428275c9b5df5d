// ARG: which build arguments an instruction sees. Those before the first FROM are for FROM alone, until a stage declares them again.
//
// Facts: the Dockerfile reference, "ARG"; proxies need no declaration and stay out of history and cache.
import { formatPlatform, hostPlatform, parsePlatform } from '@berth/oci/platform';

const PREDEFINED = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]);

export class BuildArguments {
  readonly #given: ReadonlyMap<string, string>;
  readonly #platform: Readonly<Record<string, string>>;
  readonly #meta = new Map<string, string | undefined>();
  readonly #used = new Set<string>();

  /** `given` is the client's; null stands for "without a value". */
  constructor(given: Readonly<Record<string, string | null>>, platform: string | undefined) {
    this.#given = new Map(Object.entries(given).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const])));
    this.#platform = platformArguments(platform);
  }

  /** An ARG before the first FROM. */
  declareMeta(name: string, fallback: string | undefined): void {
    this.#used.add(name);
    this.#meta.set(name, this.#given.get(name) ?? fallback);
  }

  /** For FROM. */
  meta(name: string): string | undefined {
    return this.#meta.get(name) ?? this.#platform[name];
  }

  /** What an ARG of a stage is worth. */
  value(name: string, fallback: string | undefined): string | undefined {
    this.#used.add(name);
    return this.#given.get(name) ?? fallback ?? (this.#meta.has(name) ? this.#meta.get(name) : this.#platform[name]);
  }

  /** Set for every RUN, and nowhere remembered. */
  proxies(): [name: string, value: string][] {
    return PREDEFINED.flatMap((name) => (this.#given.has(name) ? [[name, this.#given.get(name) ?? '']] : []));
  }

  /** Given, and of no effect. */
  unused(): string[] {
    return [...this.#given.keys()].filter((name) => !this.#used.has(name) && !PREDEFINED.includes(name)).sort();
  }
}

function platformArguments(platform: string | undefined): Record<string, string> {
  const host = hostPlatform();
  const target = platform ? parsePlatform(platform) : host;
  return Object.fromEntries(
    [['BUILD', host] as const, ['TARGET', target] as const].flatMap(([prefix, { os, architecture, variant }]) => [
      [`${prefix}PLATFORM`, formatPlatform({ os, architecture, variant })],
      [`${prefix}OS`, os],
      [`${prefix}ARCH`, architecture],
      [`${prefix}VARIANT`, variant ?? ''],
    ]),
  );
}
