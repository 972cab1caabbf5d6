// The hash slot of a key, as Redis Cluster has it: CRC-16 (XMODEM) of the key's bytes, or of what
// stands between its first `{` and the next `}` unless that is nothing, modulo 16,384.

export const SLOT_COUNT = 16_384;

const POLYNOMIAL = 0x1021;
const OPENING = '{'.charCodeAt(0);
const CLOSING = '}'.charCodeAt(0);

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte << 8;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder & 0x8000) === 0 ? remainder << 1 : (remainder << 1) ^ POLYNOMIAL;
  }
  return remainder & 0xffff;
});

/** From 0 to 16,383. */
export function keySlot(key: string | Uint8Array): number {
  return typeof key === 'string' ? slotOfText(key) : slotOfBytes(key);
}

/** Text that is ASCII, as nearly all keys are, needs no bytes made of it. */
function slotOfText(key: string): number {
  const opening = key.indexOf('{');
  const closing = opening === -1 ? -1 : key.indexOf('}', opening + 1);
  const isTagged = closing > opening + 1;
  const end = isTagged ? closing : key.length;
  let remainder = 0;
  for (let index = isTagged ? opening + 1 : 0; index < end; index++) {
    const code = key.charCodeAt(index);
    if (code > 127) return slotOfBytes(Buffer.from(key));
    remainder = next(remainder, code);
  }
  return remainder % SLOT_COUNT;
}

function slotOfBytes(key: Uint8Array): number {
  const opening = key.indexOf(OPENING);
  const closing = opening === -1 ? -1 : key.indexOf(CLOSING, opening + 1);
  const isTagged = closing > opening + 1;
  const end = isTagged ? closing : key.length;
  let remainder = 0;
  for (let index = isTagged ? opening + 1 : 0; index < end; index++) {
    remainder = next(remainder, key[index] as number);
  }
  return remainder % SLOT_COUNT;
}

function next(remainder: number, byte: number): number {
  return ((remainder << 8) & 0xffff) ^ (TABLE[(remainder >> 8) ^ byte] as number);
}
