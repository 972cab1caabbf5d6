// How a variable's text is read, kind by kind. What is wrong is noted with the variable's name, never
// with its text, which may be a secret; the reader goes on, so that all problems are known at once.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Variable } from './config.js';

/** Longer chains of proxies are a mistake. */
const MAX_HOPS = 10;
/** Names that Fastify knows for networks, beside addresses and prefixes. */
const NAMED_NETWORKS = ['loopback', 'linklocal', 'uniquelocal'];
export type TrustedProxies = false | number | string[];

/** Of the token that operators show; a shorter one could be guessed. */
const MIN_TOKEN_CHARACTERS = 16;
/** An id, and the SHA-256 of a secret. */
const RESOURCE_SERVER = /^([\w.-]{1,64})=([0-9a-f]{64})$/;

export class ConfigReader {
  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly problems: string[],
  ) {}

  optional(name: Variable): string | undefined {
    const text = this.env[name]?.trim();
    return text === '' ? undefined : text;
  }

  /** However it is spelt, as Plimsoll's presets read it. */
  isProduction(): boolean {
    const given = [this.env.DEPLOYMENT_ENV, this.env.NODE_ENV].map((text) => text?.trim());
    return given.find((text) => text !== undefined && text !== '')?.toLowerCase() === 'production';
  }

  text(name: Variable, fallback: string): string {
    return this.optional(name) ?? fallback;
  }

  integer(name: Variable, fallback: number, min: number, max: number): number {
    const text = this.optional(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    this.problems.push(`${name}: must be an integer from ${min} to ${max}`);
    return fallback;
  }

  choice<T extends string>(name: Variable, allowed: readonly T[], fallback: T): T {
    const text = this.optional(name);
    if (text === undefined) return fallback;
    if ((allowed as readonly string[]).includes(text)) return text as T;
    this.problems.push(`${name}: must be one of ${allowed.join(', ')}`);
    return fallback;
  }

  /** Of a token that stands in a variable or, better, in a file. */
  tokenHash(name: Variable, fileName: Variable) {
    const file = this.optional(fileName);
    let token = this.optional(name);
    if (file !== undefined) {
      if (token !== undefined) this.problems.push(`${name}: only one of it and ${fileName}`);
      try {
        token = readFileSync(file, 'utf8').trim();
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        this.problems.push(`${fileName}: ${file} cannot be read (${code})`);
        return undefined;
      }
    }
    if (token === undefined) return undefined;
    if (token.length < MIN_TOKEN_CHARACTERS || /\s/.test(token)) {
      const place = file === undefined ? name : fileName;
      this.problems.push(
        `${place}: needs ${MIN_TOKEN_CHARACTERS} characters, none of them a space`,
      );
    }
    return createHash('sha256').update(token).digest('hex');
  }

  resourceServers(name: Variable): ReadonlyMap<string, string> {
    const entries = (this.optional(name) ?? '').split(',').filter((entry) => entry.trim() !== '');
    const found = entries.map((entry) => RESOURCE_SERVER.exec(entry.trim()));
    const servers = new Map(found.flatMap((match) => (match ? [[match[1]!, match[2]!]] : [])));
    if (servers.size < entries.length) {
      this.problems.push(
        `${name}: must be id=<SHA-256 of the secret in hex>, with commas between; each id once`,
      );
    }
    return servers;
  }

  trustedProxies(name: Variable): TrustedProxies {
    const text = this.optional(name);
    if (text === undefined || text === 'false') return false;
    if (/^\d+$/.test(text) && Number(text) <= MAX_HOPS) return Number(text) || false;
    const networks = text.split(',').map((network) => network.trim());
    if (networks.every(isNetwork)) return networks;
    this.problems.push(
      `${name}: must be false, the number of proxies (at most ${MAX_HOPS}), or their addresses and ` +
        `networks with commas between (192.0.2.1, 10.0.0.0/8, ${NAMED_NETWORKS.join(', ')})`,
    );
    return false;
  }
}

/** Everybody (a prefix of 0) is no network: whoever connects could call himself what he likes. */
function isNetwork(text: string): boolean {
  if (NAMED_NETWORKS.includes(text)) return true;
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = isIP(address) === 4 ? 32 : 128;
  if (isIP(address) === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^[1-9]\d*$/.test(prefix) && Number(prefix) <= bits);
}
