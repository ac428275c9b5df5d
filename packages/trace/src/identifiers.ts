// The identifiers of one process' traces and spans. Random bytes are fetched in stock, for each fetch costs as much as a span otherwise
// does. A stock must not be carried over a fork: both sides would give out the same identifiers, so each process makes its own Tracer.
//
// The module that has them is loaded with the first span: it takes 13 ms, a third of what a cold runtime may take to start.

/** Bytes: 64 spans. */
const STOCK = 512;

export class Identifiers {
  #stock: Buffer | undefined;
  #used = STOCK;

  traceId(): string {
    return this.#take(16);
  }

  spanId(): string {
    return this.#take(8);
  }

  /** As lower-case hex digits; never all zero in practice. */
  #take(bytes: number): string {
    this.#stock ??= Buffer.allocUnsafeSlow(STOCK);
    if (this.#used + bytes > STOCK) {
      process.getBuiltinModule('node:crypto').randomFillSync(this.#stock);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += bytes;
    return this.#stock.toString('hex', from, this.#used);
  }
}
