import { describe, expect, it } from 'vitest';
import { suggest } from './suggest.js';

const names = ['maxConnections', 'minConnections', 'connectTimeoutMs', 'host', 'port', 'RESP'];

describe('suggest', () => {
  it('finds the name behind a slip of one or two letters', () => {
    expect(suggest('maxConections', names)).toBe('maxConnections');
    expect(suggest('maxConnectoins', names)).toBe('maxConnections');
    expect(suggest('mixConnections', ['minConnections'])).toBe('minConnections');
    expect(suggest('prot', names)).toBe('port');
  });

  it('takes no offence at upper and lower case', () => {
    expect(suggest('MAXCONNECTIONS', names)).toBe('maxConnections');
    expect(suggest('resp', names)).toBe('RESP');
  });

  it('completes a beginning', () => {
    expect(suggest('connectTimeout', names)).toBe('connectTimeoutMs');
    expect(suggest('prod', ['development', 'staging', 'production'])).toBe('production');
  });

  it('is silent where nothing is close', () => {
    expect(suggest('colour', names)).toBeUndefined();
    expect(suggest('x', names)).toBeUndefined();
    expect(suggest('maxConnections'.repeat(1_000), names)).toBeUndefined();
  });
});
