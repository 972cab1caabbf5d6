// Addresses that name several hosts, as those of sentinels and clusters do, which no parser of URLs
// takes as they are.

const MANY_HOSTS = /^\s*((?:redis|valkey)s?-(?:sentinel|cluster):\/\/(?:[^/@]*@)?)([^/?#]*)(.*)$/is;

/** An address with one host in place of its many; `undefined`: it is none of that kind. */
export function splitHosts(text: string): { single: string; hosts: string[] } | undefined {
  const match = MANY_HOSTS.exec(text);
  if (match === null) return undefined;
  const [, before = '', hosts = '', after = ''] = match;
  return { single: `${before}many-hosts${after}`, hosts: hosts.split(',') };
}
