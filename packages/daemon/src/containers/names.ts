// Names of containers: what may be one, and the ones that are made up for containers that got none: an adjective and the surname
// of somebody who worked on computers, networks or ships.
import { randomInt } from 'node:crypto';
import { EngineError } from '@berth/errdefs/engine-error';

const ADJECTIVES =
  'able amber ample astute blithe bold brave breezy bright brisk calm candid canny clever coastal cosy crisp daring deft eager earnest easy fair fleet fluent fond frank fresh gallant genial gentle glad golden happy hardy hearty honest humble jaunty jolly keen kind lively loyal lucid lucky mellow merry mild modest neat nimble noble patient placid plucky polite prompt proud quick quiet rapid ready robust sage serene sharp silent sincere snug sober solid spry staunch steady stellar sunny swift tidal tidy tranquil trusty upbeat valiant vivid warm wary wise witty zesty';
const SURNAMES =
  'allen babbage bartik bechtolsheim berners booth borg brooks burks cerf church clark codd cook cooper corbato cray dahl diffie dijkstra eckert engelbart feinler feynman floyd forrester goldberg goldwasser gray hamilton hamming harrison hellman hoare holberton hopper ingalls iverson jacobson johnson joy kahn karp kay kernighan kilby kleinrock knuth lamarr lamport lampson liskov lovelace lynch magellan mauchly mccarthy meitner mercator metcalfe milner minsky moore naur nelson newell noether norman noyce nygaard papert pascal perlis perlman postel rabin ritchie roberts sammet scott shannon shaw slocum stearns sutherland tanenbaum tarjan thacker thompson torvalds turing vonneumann wegener wilkes wilkinson wirth yao zuse';

const adjectives = ADJECTIVES.split(' ');
const surnames = SURNAMES.split(' ');

/** What an object's name may be (moby's daemon/names). */
const ALLOWED = '[a-zA-Z0-9][a-zA-Z0-9_.-]';
const PATTERN = new RegExp(`^/?${ALLOWED}+$`);

/** A name that `taken` does not know; after some tries with a digit at its end. */
export function generateName(taken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const base = `${adjectives[randomInt(adjectives.length)]}_${surnames[randomInt(surnames.length)]}`;
    const name = attempt < 6 ? base : `${base}${randomInt(10 ** Math.min(attempt - 5, 9))}`;
    if (!taken(name)) return name;
  }
}

/** The name without its slash. Throws InvalidArgument. */
export function checkName(name: string): string {
  if (!PATTERN.test(name)) {
    throw new EngineError('InvalidArgument', `Invalid container name (${name}), only ${ALLOWED} are allowed`, { layer: 'daemon' });
  }
  return name.replace(/^\//, '');
}
