import { describe, expect, test } from 'vitest';
import { parseClientAddress, trustOf } from './client-address.js';

const IPV4 = { address: '192.0.2.1', network: '192.0.2.1', site: '192.0.2.1' };
const IPV6 = { network: '2001:db8:1:2::/64', site: '2001:db8:1::/48' };

describe('the address of a client', () => {
  test.each([
    '192.0.2.1',
    '192.0.2.1:49152',
    '::ffff:192.0.2.1',
    '::FFFF:c000:201',
    '[::ffff:192.0.2.1]:80',
    '64:ff9b::192.0.2.1',
    '0:0:0:0:0:FFFF:C000:0201',
  ])('%s is an IPv4 address', (text) => {
    expect(parseClientAddress(text)).toEqual(IPV4);
  });

  test.each([
    '2001:db8:1:2::1',
    '2001:DB8:1:2:ffff:ffff:ffff:ffff',
    '[2001:db8:1:2::1]',
    '[2001:db8:1:2::1]:443',
    '2001:db8:1:2::1%eth0',
    '2001:0db8:0001:0002:0003:0004:192.0.2.1',
  ])('%s counts by its /64 and its /48', (text) => {
    expect(parseClientAddress(text)).toMatchObject(IPV6);
  });

  test.each([
    ['::', '0:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
    ['0:0:3::', '0:0:3:0::/64'],
    ['fe80::1%any thing', undefined],
  ])('%s is of the network %s', (text, network) => {
    expect(parseClientAddress(text)?.network).toBe(network);
  });

  test('another /64 of the same /48 is another network of the same site', () => {
    expect(parseClientAddress('2001:db8:1:3::1')).toEqual({
      address: '2001:db8:1:3::1',
      network: '2001:db8:1:3::/64',
      site: IPV6.site,
    });
  });

  test.each([
    '',
    'unknown',
    '_hidden',
    '1',
    '10.1',
    '0x7f.1',
    '192.0.2.256',
    '192.0.2.1:x',
    '192.0.2.1, 192.0.2.2',
    '[192.0.2.1',
    '2001:db8::1::2',
    `${'1'.repeat(10_000)}.1`,
  ])('%j is none', (text) => {
    expect(parseClientAddress(text)).toBeUndefined();
  });
});

describe('a number of trusted hops', () => {
  const isTrusted = trustOf(2) as (address: string, hop: number) => boolean;

  test.each([
    '127.0.0.1',
    '::1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '::ffff:10.0.0.1',
    'fd00::1',
  ])('begins at %s, which is private', (address) => {
    expect([0, 1, 2].map((hop) => isTrusted(address, hop))).toEqual([true, true, false]);
  });

  test.each(['203.0.113.1', '172.32.0.1', '2001:db8::1', '::ffff:203.0.113.1', 'unknown', ''])(
    'does not begin at %j',
    (address) => {
      expect(isTrusted(address, 0)).toBe(false);
    },
  );

  test('is none of these where networks are named', () => {
    expect(trustOf(['10.0.0.0/8'])).toEqual(['10.0.0.0/8']);
    expect(trustOf(false)).toBe(false);
  });
});
