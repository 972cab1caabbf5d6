import { describe, expect, it } from 'vitest';
import { COMMANDS, runProgram } from './program.js';

async function run(...args: string[]) {
  let [out, errors] = ['', ''];
  const code = await runProgram(args, {
    env: {},
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (errors += text) },
    signal: new AbortController().signal,
  });
  return { code, out, errors };
}

describe('plimsoll', () => {
  it('lists its commands, and shows the help of each', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    for (const name of Object.keys(COMMANDS)) {
      expect(out).toContain(`  ${name} `);
      const help = await run(name, '--help');
      expect(help).toMatchObject({ code: 0, errors: '' });
      expect(help.out).toContain(`Usage: plimsoll ${name}`);
    }
  });

  it('prints the version of the package', async () => {
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [[], /Usage/],
    [['surgeon'], /no command "surgeon"; there are doctor, top, plan/],
    [['toString'], /no command "toString"/],
    [['doctor', '--jsno'], /plimsoll doctor: Unknown option '--jsno'/],
    [['doctor', '--pings', 'many'], /--pings must be a number from 1/],
    [['doctor', 'redis://elsewhere'], /Unexpected argument/],
    [['top', '--interval', '0'], /--interval must be a number from 0.1/],
    [['top', '--url', 'ftp://x'], /--url must be/],
    [['top', '--token-file', '/nowhere'], /--token-file is for --url/],
    [['top', '--url', 'http://x', '--token-file', '/nowhere'], /cannot be read \(ENOENT\)/],
  ])('exits with 64 for %j', async (args, text) => {
    const { code, out, errors } = await run(...args);
    expect({ code, out }).toEqual({ code: 64, out: '' });
    expect(errors).toMatch(text);
  });
});
