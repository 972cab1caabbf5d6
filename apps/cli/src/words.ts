// Servers' texts as plain data: INFO, CONFIG GET, and lists of `name=value`.

/** `name:value` lines of INFO and CLUSTER INFO. */
export function infoFields(text: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return fields;
}

/** A reply of pairs: a map in RESP3, a flat list in RESP2. */
export function pairFields(reply: unknown): Record<string, string> {
  const fields: Record<string, string> = {};
  if (Array.isArray(reply)) {
    for (let at = 0; at + 1 < reply.length; at += 2)
      fields[String(reply[at])] = String(reply[at + 1]);
    return fields;
  }
  const entries = reply instanceof Map ? reply.entries() : Object.entries(reply ?? {});
  for (const [name, value] of entries) fields[String(name)] = String(value);
  return fields;
}

/** A line of `name=value` words, as CLIENT LIST has them. */
export function wordFields(line: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const word of line.trim().split(' ')) {
    const equals = word.indexOf('=');
    if (equals > 0) fields[word.slice(0, equals)] = word.slice(equals + 1);
  }
  return fields;
}
