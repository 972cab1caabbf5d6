import { describe, expect, it } from 'vitest';
import { DEAD_AFTER_MS, isDead, UNVERIFIED_DEAD_AFTER_MS } from './silence.js';

/** As Redis 7.0 writes it, shortened. */
function clientLine(id: number, { flags = 'N', idle = 1, qbuf = 0 } = {}): string {
  return `id=${id} addr=127.0.0.1:5000 name=plimsoll age=9 idle=${idle} flags=${flags} db=0 qbuf=${qbuf} cmd=get\n`;
}

const well = (clientList?: string) => ({ isBusy: false, clientList });

describe('a silent connection, while another one is answered,', () => {
  it('is dead where the server has nothing to do for it, or does not know it any more', () => {
    const list = clientLine(7, { idle: 30 }) + clientLine(77, { flags: 'b' });
    expect(isDead(DEAD_AFTER_MS, 7, well(list))).toBe(true);
    expect(isDead(DEAD_AFTER_MS, 8, well(list))).toBe(true);
    expect(isDead(DEAD_AFTER_MS, 8, well(''))).toBe(true);
  });

  it('is given its time first', () => {
    expect(isDead(DEAD_AFTER_MS - 1, 7, well(clientLine(7)))).toBe(false);
  });

  it.each(['b', 'xb', 'bu'])('is not dead while the server holds it back (flags=%s)', (flags) => {
    expect(isDead(60_000, 7, well(clientLine(7, { flags })))).toBe(false);
  });

  it('is not dead while the server receives what it sends', () => {
    expect(isDead(60_000, 7, well(clientLine(7, { qbuf: 40_000 })))).toBe(false);
    expect(isDead(60_000, 7, well(clientLine(7, { qbuf: 40_000, idle: 12 })))).toBe(true);
  });

  it('is not dead while the server is busy with a script, which may be its own', () => {
    expect(isDead(60_000, 7, { isBusy: true, clientList: undefined })).toBe(false);
  });

  it('is given more time where the server can not say what it does for it', () => {
    for (const [id, list] of [
      [7, undefined],
      [undefined, clientLine(7)],
    ] as const) {
      expect(isDead(UNVERIFIED_DEAD_AFTER_MS - 1, id, well(list))).toBe(false);
      expect(isDead(UNVERIFIED_DEAD_AFTER_MS, id, well(list))).toBe(true);
    }
  });
});
