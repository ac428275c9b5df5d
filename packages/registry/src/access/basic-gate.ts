// HTTP basic authentication (RFC 7617): every user of the htpasswd file may do everything.
import { basicCredentials, everybody, type Gate, type Need, type Principal, unauthorized } from './gate.ts';
import type { Htpasswd } from './htpasswd.ts';

export const REALM = 'berth-registry';

export class BasicGate implements Gate {
  readonly #users: Htpasswd;

  constructor(users: Htpasswd) {
    this.#users = users;
  }

  async admit(authorization: string | undefined, needs: readonly Need[]): Promise<Principal> {
    const given = basicCredentials(authorization);
    if (given && (await this.#users.check(given.user, given.password))) return { ...everybody, user: given.user };
    throw unauthorized(`Basic realm="${REALM}"`, needs);
  }
}
